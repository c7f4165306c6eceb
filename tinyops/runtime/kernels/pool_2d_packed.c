#include "tinyops/kernels/pool_2d_packed.h"

#include "tinyops/kernels/packed.h"

/* The taps of a window that lie inside the image, at one channel of the first of them. */
typedef struct {
  const int8_t *image;
  int32_t rows, columns;
  int32_t row_step, column_step;
} inside;

typedef void (*reduction)(const inside *w, int8_t *output);

static inline uint32_t load(const int8_t *from) {
  uint32_t word;
  memcpy(&word, from, 4);
  return word;
}

/* The larger of each of four int8. */
static inline uint32_t larger_four(uint32_t a, uint32_t b) {
#if TINYOPS_DSP
  uint32_t difference;
  __asm__("ssub8 %0, %1, %2\n\tsel %1, %1, %2" : "=&r"(difference), "+r"(a) : "r"(b));
  return a;
#else
  uint32_t result = 0;
  for (int32_t shift = 0; shift < 32; shift += 8) {
    const int8_t x = (int8_t)(a >> shift), y = (int8_t)(b >> shift);
    result |= (uint32_t)(uint8_t)(x > y ? x : y) << shift;
  }
  return result;
#endif
}

/* Adds four int8 to four int16: values 0 and 2 to `even`, 1 and 3 to `odd`. */
static inline void add_four(uint32_t *even, uint32_t *odd, uint32_t word) {
#if TINYOPS_DSP
  __asm__("sxtab16 %0, %0, %1" : "+r"(*even) : "r"(word));
  __asm__("sxtab16 %0, %0, %1, ror #8" : "+r"(*odd) : "r"(word));
#else
  *even =
      tinyops_pair((int16_t)*even + (int8_t)word, (int16_t)(*even >> 16) + (int8_t)(word >> 16));
  *odd = tinyops_pair((int16_t)*odd + (int8_t)(word >> 8),
                      (int16_t)(*odd >> 16) + (int8_t)(word >> 24));
#endif
}

static inline void maximum(const inside *w, int8_t *output) {
  uint32_t best = 0x80808080u;
  const int8_t *row = w->image;
  for (int32_t y = 0; y < w->rows; ++y, row += w->row_step) {
    const int8_t *at = row;
    for (int32_t x = 0; x < w->columns; ++x, at += w->column_step) {
      best = larger_four(best, load(at));
    }
  }
  memcpy(output, &best, 4);
}

/* Rounded half away from zero. */
static inline int8_t mean_of(int32_t sum, int32_t count) {
  return (int8_t)((sum > 0 ? sum + count / 2 : sum - count / 2) / count);
}

static inline void average(const inside *w, int8_t *output) {
  const int32_t count = w->rows * w->columns;
  int32_t sums[4] = {0};
  const int8_t *row = w->image;
  for (int32_t y = 0; y < w->rows; ++y, row += w->row_step) {
    uint32_t even = 0, odd = 0; /* of one row: at most 255 values each */
    const int8_t *at = row;
    for (int32_t x = 0; x < w->columns; ++x, at += w->column_step) {
      add_four(&even, &odd, load(at));
    }
    sums[0] += (int16_t)even;
    sums[1] += (int16_t)odd;
    sums[2] += (int16_t)(even >> 16);
    sums[3] += (int16_t)(odd >> 16);
  }
  output[0] = mean_of(sums[0], count);
  output[1] = mean_of(sums[1], count);
  output[2] = mean_of(sums[2], count);
  output[3] = mean_of(sums[3], count);
}

/* All channels of one output pixel; the last four are done once more where four do not divide them:
 * the output never lies over the window of its own pixel, so that the same comes out. */
static inline void pixel(const inside *w, int32_t channels, int8_t *output, reduction reduce) {
  inside at = *w;
  for (int32_t c = 0; c + 4 <= channels; c += 4) {
    at.image = w->image + c;
    reduce(&at, output + c);
  }
  if (channels % 4 != 0) {
    at.image = w->image + channels - 4;
    reduce(&at, output + channels - 4);
  }
}

/* Slides the window. `reduce` is known to the compiler at both calls, which makes two loops of it.
 */
static inline void slide(const tinyops_pool_2d_params *p, const int8_t *input, int8_t *output,
                         reduction reduce) {
  const tinyops_window *g = &p->window;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    const tinyops_taps rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, 1);
    for (int32_t ox = 0; ox < g->out_w; ++ox, output += g->in_c) {
      const int32_t x0 = ox * g->stride_w - g->pad_left;
      const tinyops_taps columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, 1);
      const inside w = {input + ((y0 + rows.first) * g->in_w + x0 + columns.first) * g->in_c,
                        rows.last - rows.first, columns.last - columns.first, g->in_w * g->in_c,
                        g->in_c};
      pixel(&w, g->in_c, output, reduce);
      tinyops_packed_clamp(output, g->in_c, p->min, p->max);
    }
  }
}

void tinyops_average_pool_2d_packed(const tinyops_pool_2d_params *p, const int8_t *input,
                                    int8_t *output) {
  slide(p, input, output, average);
}

void tinyops_max_pool_2d_packed(const tinyops_pool_2d_params *p, const int8_t *input,
                                int8_t *output) {
  slide(p, input, output, maximum);
}
