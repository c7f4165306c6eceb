#include "tinyops/kernels/wide_sums.h"

#include "tinyops/fixed_point.h"

/* Products that always add up within 32 bits: each has 23. */
enum { BLOCK = 256 };

/* acc + `count` products. */
static int64_t sum(const int16_t *x, const TINYOPS_FLASH int8_t *w, int32_t count, int64_t acc) {
  while (count > 0) {
    const int32_t block = count < BLOCK ? count : (int32_t)BLOCK;
    int32_t part = 0;
    for (int32_t i = 0; i < block; ++i) {
      part += (int32_t)x[i] * w[i];
    }
    acc += part;
    x += block;
    w += block;
    count -= block;
  }
  return acc;
}

/* acc + the window of one filter at (y0, x0), which may lie outside; `input` is at the first of the
 * channels that the filter reads. */
static int64_t window_sum(const tinyops_wide_sums_params *p, const int16_t *input,
                          const TINYOPS_FLASH int8_t *w, int32_t y0, int32_t x0, int64_t acc) {
  const tinyops_window *g = &p->window;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    const int32_t y = y0 + ky * g->dilation_h;
    for (int32_t kx = 0; kx < g->kernel_w; ++kx, w += p->depth) {
      const int32_t x = x0 + kx * g->dilation_w;
      if (y >= 0 && y < g->in_h && x >= 0 && x < g->in_w) {
        acc = sum(input + (y * g->in_w + x) * g->in_c, w, p->depth, acc);
      }
    }
  }
  return acc;
}

/* As the interpreter does: 15 bits of the multiplier, rounding once. */
static int16_t scaled(const tinyops_wide_sums_params *p, int64_t acc, int32_t multiplier,
                      int32_t shift) {
  const int64_t value = (acc * multiplier + ((int64_t)1 << (shift - 1))) >> shift;
  return (int16_t)tinyops_clamp((int32_t)value, p->min, p->max);
}

void tinyops_wide_sums(const tinyops_wide_sums_params *p, const int16_t *input,
                       const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias_high,
                       const TINYOPS_FLASH uint32_t *bias_low,
                       const TINYOPS_FLASH int16_t *multiplier, const TINYOPS_FLASH int8_t *shift,
                       int16_t *output) {
  const tinyops_window *g = &p->window;
  const int32_t filter = g->kernel_h * g->kernel_w * p->depth;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    for (int32_t ox = 0; ox < g->out_w; ++ox) {
      for (int32_t c = 0; c < g->out_c; ++c) {
        const int16_t *x = input + c / p->sharing * p->depth;
        const int64_t bias = (int64_t)bias_high[c] * ((int64_t)1 << 32) + bias_low[c];
        const int64_t acc = window_sum(p, x, weights + c * filter, oy * g->stride_h - g->pad_top,
                                       ox * g->stride_w - g->pad_left, bias);
        const int32_t k = c * p->channel_step;
        *output++ = scaled(p, acc, multiplier[k], shift[k]);
      }
    }
  }
}
