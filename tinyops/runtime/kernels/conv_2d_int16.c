#include "tinyops/kernels/conv_2d_int16.h"

#include "tinyops/kernels/gather_int16.h"
#include "tinyops/kernels/wide.h"

enum { FILTERS = 4, BIAS = 128 };

/* What every filter has too much, its weights being read as 0 to 255. Sums are modulo 2^32: the
 * last one fits. */
static uint32_t surplus(const int16_t *x, int32_t values) {
  uint32_t sum = 0;
  for (int32_t i = 0; i < values; ++i) {
    const uint32_t value = (uint32_t)(int32_t)x[i]; /* by itself: gcc 12 warns of it in the sum */
    sum += value;
  }
  return sum * BIAS;
}

/* acc (4) = a window of `values` values * four filters - `less`. */
static void four_filters(const int16_t *x, const TINYOPS_FLASH uint8_t *w, int32_t values,
                         uint32_t less, int32_t acc[FILTERS]) {
  const int16_t *const end = x + values;
  uint32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  for (; x != end; x += 2, w += 2 * FILTERS) {
    const uint32_t first = (uint32_t)(int32_t)x[0], second = (uint32_t)(int32_t)x[1];
    a0 += first * w[0] + second * w[4];
    a1 += first * w[1] + second * w[5];
    a2 += first * w[2] + second * w[6];
    a3 += first * w[3] + second * w[7];
  }
  acc[0] = (int32_t)(a0 - less);
  acc[1] = (int32_t)(a1 - less);
  acc[2] = (int32_t)(a2 - less);
  acc[3] = (int32_t)(a3 - less);
}

/* All channels of a pixel. */
static void pixel(const tinyops_conv_2d_int16_params *p, const int16_t *x,
                  const TINYOPS_FLASH uint8_t *weights, const TINYOPS_FLASH int32_t *bias,
                  const TINYOPS_FLASH int16_t *multiplier, const TINYOPS_FLASH int8_t *shift,
                  int16_t *output) {
  const uint32_t less = surplus(x, p->filter_values);
  for (int32_t c = 0; c < p->window.out_c; c += FILTERS, weights += FILTERS * p->filter_values) {
    const int32_t left = p->window.out_c - c, count = left < FILTERS ? left : (int32_t)FILTERS;
    int32_t acc[FILTERS];
    four_filters(x, weights, p->filter_values, less, acc);
    for (int32_t i = 0; i < count; ++i) {
      const int32_t k = (c + i) * p->channel_step;
      output[c + i] =
          tinyops_requantise_wide(acc[i] + bias[c + i], multiplier[k], shift[k], p->min, p->max);
    }
  }
}

void tinyops_conv_2d_int16(const tinyops_conv_2d_int16_params *p, const int16_t *input,
                           const TINYOPS_FLASH uint8_t *weights, const TINYOPS_FLASH int32_t *bias,
                           const TINYOPS_FLASH int16_t *multiplier,
                           const TINYOPS_FLASH int8_t *shift, int16_t *output, int16_t *window) {
  const tinyops_window *g = &p->window;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    for (int32_t ox = 0; ox < g->out_w; ++ox, output += g->out_c) {
      const int32_t x0 = ox * g->stride_w - g->pad_left;
      if (p->pointwise) {
        const int16_t *x = input + (y0 * g->in_w + x0) * g->in_c;
        pixel(p, x, weights, bias, multiplier, shift, output);
      } else {
        tinyops_gather_int16(g, p->filter_values, input, y0, x0, window);
        pixel(p, window, weights, bias, multiplier, shift, output);
      }
    }
  }
}
