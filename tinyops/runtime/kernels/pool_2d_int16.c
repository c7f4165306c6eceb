#include "tinyops/kernels/pool_2d_int16.h"

#include "tinyops/fixed_point.h"

typedef int32_t (*reduction)(const tinyops_window *g, const int16_t *image, int32_t rows,
                             int32_t columns);

/* Mean of (rows, columns) of one channel, rounded half away from zero. */
static inline int32_t average(const tinyops_window *g, const int16_t *image, int32_t rows,
                              int32_t columns) {
  const int32_t count = rows * columns;
  int32_t acc = 0;
  for (int32_t y = 0; y < rows; ++y) {
    for (int32_t x = 0; x < columns; ++x) {
      acc += image[(y * g->in_w + x) * g->in_c];
    }
  }
  return (acc > 0 ? acc + count / 2 : acc - count / 2) / count;
}

/* Maximum of (rows, columns) of one channel. */
static inline int32_t maximum(const tinyops_window *g, const int16_t *image, int32_t rows,
                              int32_t columns) {
  int32_t best = INT16_MIN;
  for (int32_t y = 0; y < rows; ++y) {
    for (int32_t x = 0; x < columns; ++x) {
      const int32_t value = image[(y * g->in_w + x) * g->in_c];
      best = value > best ? value : best;
    }
  }
  return best;
}

/* Slides the window. `reduce` is known to the compiler at both calls, which makes two loops of it.
 */
static inline void slide(const tinyops_pool_2d_params *p, const int16_t *input, int16_t *output,
                         reduction reduce) {
  const tinyops_window *g = &p->window;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    const tinyops_taps rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, 1);
    for (int32_t ox = 0; ox < g->out_w; ++ox) {
      const int32_t x0 = ox * g->stride_w - g->pad_left;
      const tinyops_taps columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, 1);
      const int16_t *image = input + ((y0 + rows.first) * g->in_w + x0 + columns.first) * g->in_c;
      for (int32_t c = 0; c < g->in_c; ++c) {
        const int32_t value =
            reduce(g, image + c, rows.last - rows.first, columns.last - columns.first);
        *output++ = (int16_t)tinyops_clamp(value, p->min, p->max);
      }
    }
  }
}

void tinyops_average_pool_2d_int16(const tinyops_pool_2d_params *p, const int16_t *input,
                                   int16_t *output) {
  slide(p, input, output, average);
}

void tinyops_max_pool_2d_int16(const tinyops_pool_2d_params *p, const int16_t *input,
                               int16_t *output) {
  slide(p, input, output, maximum);
}
