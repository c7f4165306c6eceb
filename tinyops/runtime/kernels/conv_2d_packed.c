#include "tinyops/kernels/conv_2d_packed.h"

#include "tinyops/kernels/packed.h"

/* Where the expanded values of one pixel go: two words of every four, the other two are the other
 * pixel's. */
enum { WORDS_A_STEP = 4 };

/* Four accumulators, [channel][pixel], += `count` steps of four values of two pixels (four words:
 * even and odd of the first, even and odd of the second) and two channels (two words of int8).
 * `count` is even. */
static inline void multiply_block(const uint32_t *x, const int32_t *w, int32_t count,
                                  int32_t acc[4]) {
#if TINYOPS_DSP
  register int32_t r0 __asm__("r0") = acc[0];
  register int32_t r1 __asm__("r1") = acc[1];
  register int32_t r2 __asm__("r2") = acc[2];
  register int32_t r3 __asm__("r3") = acc[3];
  register const uint32_t *r4 __asm__("r4") = x;
  register const int32_t *r5 __asm__("r5") = w;
  register const uint32_t *r6 __asm__("r6") = x + WORDS_A_STEP * count;
#define STEP                          \
  "ldmia r4!, {r8, r9, r10, r11}\n\t" \
  "ldrd r7, r12, [r5], #8\n\t"        \
  "sxtb16 lr, r7, ror #8\n\t"         \
  "sxtb16 r7, r7\n\t"                 \
  "smlad r0, r8, r7, r0\n\t"          \
  "smlad r1, r10, r7, r1\n\t"         \
  "sxtb16 r7, r12\n\t"                \
  "sxtb16 r12, r12, ror #8\n\t"       \
  "smlad r0, r9, lr, r0\n\t"          \
  "smlad r1, r11, lr, r1\n\t"         \
  "smlad r2, r8, r7, r2\n\t"          \
  "smlad r3, r10, r7, r3\n\t"         \
  "smlad r2, r9, r12, r2\n\t"         \
  "smlad r3, r11, r12, r3\n\t"
  /* r7 is saved by hand: builds without optimisation use it as frame pointer. */
  __asm__ volatile("push {r7}\n1:\n\t" STEP STEP
                   "cmp r4, r6\n\t"
                   "bne 1b\n\t"
                   "pop {r7}"
                   : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4), "+r"(r5)
                   : "r"(r6)
                   : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef STEP
  acc[0] = r0;
  acc[1] = r1;
  acc[2] = r2;
  acc[3] = r3;
#else
  for (int32_t i = 0; i < count; ++i, x += WORDS_A_STEP, w += 2) {
    for (int32_t channel = 0; channel < 2; ++channel) {
      int8_t value[4];
      memcpy(value, &w[channel], 4);
      for (int32_t pixel = 0; pixel < 2; ++pixel) {
        const uint32_t even = x[2 * pixel], odd = x[2 * pixel + 1];
        acc[2 * channel + pixel] += (int16_t)even * value[0] + (int16_t)odd * value[1] +
                                    (int16_t)(even >> 16) * value[2] +
                                    (int16_t)(odd >> 16) * value[3];
      }
    }
  }
#endif
}

static uint32_t *expand(const int8_t *from, int32_t count, uint32_t *to) {
  for (const int8_t *end = from + count; from != end; from += 4, to += WORDS_A_STEP) {
    tinyops_expand_4(from, to);
  }
  return to;
}

static uint32_t *expand_zero_points(int32_t zero_point, int32_t count, uint32_t *to) {
  for (int32_t i = 0; i < count; i += 4, to += WORDS_A_STEP) {
    to[0] = to[1] = tinyops_pair(zero_point, zero_point);
  }
  return to;
}

/* What one pixel's window sees of one row of the input or of the padding, values in order. */
typedef struct {
  const int8_t *image;  /* tap 0; may lie outside */
  int32_t step;         /* between taps, in values */
  tinyops_taps columns; /* inside; none where the row is padding */
} window_row;

static window_row row_of(const tinyops_window *g, const int8_t *input, int32_t y, int32_t x0,
                         tinyops_taps columns) {
  const tinyops_taps none = {g->kernel_w, g->kernel_w};
  window_row row = {input, g->dilation_w * g->in_c, none};
  if (y >= 0 && y < g->in_h) {
    row.image = input + (y * g->in_w + x0) * g->in_c;
    row.columns = columns;
  }
  return row;
}

/* in_c is a multiple of 4: straight from the input. */
static uint32_t *expand_row(const tinyops_conv_2d_packed_params *p, const window_row *row,
                            uint32_t *to) {
  const tinyops_window *g = &p->window;
  const int32_t first = row->columns.first, last = row->columns.last;
  to = expand_zero_points(p->input_zero_point, first * g->in_c, to);
  if (g->dilation_w == 1) {
    to = expand(row->image + first * g->in_c, (last - first) * g->in_c, to);
  } else {
    for (int32_t kx = first; kx < last; ++kx) {
      to = expand(row->image + kx * row->step, g->in_c, to);
    }
  }
  return expand_zero_points(p->input_zero_point, (g->kernel_w - last) * g->in_c, to);
}

static int8_t *copy_bytes(const int8_t *from, int32_t count, int8_t *to) {
  for (; count >= 4; count -= 4, from += 4, to += 4) {
    memcpy(to, from, 4);
  }
  for (; count > 0; --count) {
    *to++ = *from++;
  }
  return to;
}

static int8_t *fill_bytes(int32_t value, int32_t count, int8_t *to) {
  for (; count > 0; --count) {
    *to++ = (int8_t)value;
  }
  return to;
}

static int8_t *copy_row(const tinyops_conv_2d_packed_params *p, const window_row *row, int8_t *to) {
  const tinyops_window *g = &p->window;
  const int32_t first = row->columns.first, last = row->columns.last;
  to = fill_bytes(p->input_zero_point, first * g->in_c, to);
  if (g->dilation_w == 1) {
    to = copy_bytes(row->image + first * g->in_c, (last - first) * g->in_c, to);
  } else {
    for (int32_t kx = first; kx < last; ++kx) {
      to = copy_bytes(row->image + kx * row->step, g->in_c, to);
    }
  }
  return fill_bytes(p->input_zero_point, (g->kernel_w - last) * g->in_c, to);
}

/* Expands the window of output pixel (oy, ox) to `to`. `bytes` is room for one window. */
static void gather(const tinyops_conv_2d_packed_params *p, const int8_t *input, int32_t oy,
                   int32_t ox, int32_t filter, uint32_t *to, int8_t *bytes) {
  const tinyops_window *g = &p->window;
  const int32_t y0 = oy * g->stride_h - g->pad_top;
  const int32_t x0 = ox * g->stride_w - g->pad_left;
  const tinyops_taps columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, g->dilation_w);
  const int direct = g->in_c % 4 == 0;
  uint32_t *const end = to + filter; /* WORDS_A_STEP words for four values */
  int8_t *at = bytes;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    const window_row row = row_of(g, input, y0 + ky * g->dilation_h, x0, columns);
    if (direct) {
      to = expand_row(p, &row, to);
    } else {
      at = copy_row(p, &row, at);
    }
  }
  if (direct) {
    expand_zero_points(0, (int32_t)(end - to), to);
  } else {
    fill_bytes(0, (int32_t)(bytes + filter - at), at);
    expand(bytes, filter, to);
  }
}

/* All channels of two pixels, whose windows lie expanded at `x`. */
static void two_pixels(const tinyops_conv_2d_packed_params *p, const uint32_t *x, int32_t filter,
                       const int32_t *weights, const int32_t *bias, const int32_t *multiplier,
                       const int8_t *shift, int8_t *first, int8_t *second) {
  const int32_t channels = p->window.out_c;
  const int32_t bias_step = 2 * p->output_zero_point + 1;
  int32_t c = 0;
  for (; c + 2 <= channels; c += 2, weights += filter / 2) {
    int32_t acc[4] = {bias[c], bias[c], bias[c + 1], bias[c + 1]};
    multiply_block(x, weights, filter / 4, acc);
    const tinyops_packed_factor f = tinyops_packed_factor_of(*multiplier, *shift, bias_step);
    multiplier += p->channel_step;
    shift += p->channel_step;
    const tinyops_packed_factor h = tinyops_packed_factor_of(*multiplier, *shift, bias_step);
    multiplier += p->channel_step;
    shift += p->channel_step;
    first[c] = tinyops_packed_requantise(acc[0], f);
    second[c] = tinyops_packed_requantise(acc[1], f);
    first[c + 1] = tinyops_packed_requantise(acc[2], h);
    second[c + 1] = tinyops_packed_requantise(acc[3], h);
  }
  if (c < channels) {
    int32_t acc[4] = {bias[c], bias[c], 0, 0};
    multiply_block(x, weights, filter / 4, acc);
    const tinyops_packed_factor f = tinyops_packed_factor_of(*multiplier, *shift, bias_step);
    first[c] = tinyops_packed_requantise(acc[0], f);
    second[c] = tinyops_packed_requantise(acc[1], f);
  }
}

void tinyops_conv_2d_packed(const tinyops_conv_2d_packed_params *p, const int8_t *input,
                            const int32_t *weights, const int32_t *bias, const int32_t *multiplier,
                            const int8_t *shift, int8_t *output, uint32_t *scratch) {
  const tinyops_window *g = &p->window;
  const int32_t filter = (g->kernel_h * g->kernel_w * g->in_c + 7) / 8 * 8;
  const int32_t pixels = g->out_h * g->out_w;
  int8_t *const bytes = (int8_t *)(scratch + filter);
  int32_t oy = 0, ox = 0;
  for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
    int8_t *const first = output + pixel * g->out_c;
    /* A pixel left over is computed twice. */
    int8_t *const second = pixel + 1 < pixels ? first + g->out_c : first;
    gather(p, input, oy, ox, filter, scratch, bytes);
    if (second != first && ++ox == g->out_w) {
      ox = 0;
      ++oy;
    }
    gather(p, input, oy, ox, filter, scratch + 2, bytes);
    if (++ox == g->out_w) {
      ox = 0;
      ++oy;
    }
    two_pixels(p, scratch, filter, weights, bias, multiplier, shift, first, second);
  }
  tinyops_packed_clamp(output, pixels * g->out_c, p->min, p->max);
}
