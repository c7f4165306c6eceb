#include "tinyops/kernels/conv_2d_int16.h"

#include <string.h>

#include "tinyops/kernels/packed.h"
#include "tinyops/kernels/wide.h"

enum { FILTERS = 4, STEP = 4 };

#if TINYOPS_DSP
/* Two int16 at any address. */
static inline uint32_t load_pair(const int16_t *at) {
  uint32_t word;
  memcpy(&word, at, sizeof word);
  return word;
}

/* acc + four products, of two pairs of values and a word of weights. */
static inline int32_t four_products(uint32_t first, uint32_t second, const int8_t *w, int32_t acc) {
  uint32_t word, pair;
  memcpy(&word, w, sizeof word);
  __asm__("sxtb16 %0, %1" : "=r"(pair) : "r"(word));
  __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(first), "r"(pair));
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(pair) : "r"(word));
  __asm__("smlad %0, %1, %2, %0" : "+r"(acc) : "r"(second), "r"(pair));
  return acc;
}
#else
static inline int32_t four_products(const int16_t *x, const TINYOPS_FLASH int8_t *w, int32_t acc) {
  acc += (int32_t)x[0] * w[0];
  acc += (int32_t)x[1] * w[2];
  acc += (int32_t)x[2] * w[1];
  return acc + (int32_t)x[3] * w[3];
}
#endif

/* acc (4) += a window of `values` values * four filters. */
static void four_filters(const int16_t *x, const TINYOPS_FLASH int8_t *w, int32_t values,
                         int32_t acc[FILTERS]) {
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  for (; values > 0; values -= STEP, x += STEP, w += FILTERS * STEP) {
#if TINYOPS_DSP
    const uint32_t first = load_pair(x), second = load_pair(x + 2);
    a0 = four_products(first, second, w, a0);
    a1 = four_products(first, second, w + 4, a1);
    a2 = four_products(first, second, w + 8, a2);
    a3 = four_products(first, second, w + 12, a3);
#else
    a0 = four_products(x, w, a0);
    a1 = four_products(x, w + 4, a1);
    a2 = four_products(x, w + 8, a2);
    a3 = four_products(x, w + 12, a3);
#endif
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

/* `count` values to `to`, or as many zeros where `from` is none; where the next ones go. */
static int16_t *put(int16_t *to, const int16_t *from, int32_t count) {
  const size_t bytes = (size_t)count * sizeof *to;
  if (from) {
    memcpy(to, from, bytes);
  } else {
    memset(to, 0, bytes);
  }
  return to + count;
}

/* A row of the window at column x0 of the image's row `line`; zeros outside the image. */
static int16_t *gather_row(const tinyops_window *g, const int16_t *line, int32_t x0, int16_t *to) {
  const tinyops_taps inside = tinyops_taps_inside(x0, g->in_w, g->kernel_w, g->dilation_w);
  if (g->dilation_w == 1) {
    to = put(to, 0, inside.first * g->in_c);
    to = put(to, line + (x0 + inside.first) * g->in_c, (inside.last - inside.first) * g->in_c);
    return put(to, 0, (g->kernel_w - inside.last) * g->in_c);
  }
  for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
    const int is_in = kx >= inside.first && kx < inside.last;
    to = put(to, is_in ? line + (x0 + kx * g->dilation_w) * g->in_c : 0, g->in_c);
  }
  return to;
}

static void gather(const tinyops_conv_2d_int16_params *p, const int16_t *input, int32_t y0,
                   int32_t x0, int16_t *window) {
  const tinyops_window *g = &p->window;
  int16_t *to = window;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    const int32_t y = y0 + ky * g->dilation_h;
    if (y >= 0 && y < g->in_h) {
      to = gather_row(g, input + y * g->in_w * g->in_c, x0, to);
    } else {
      to = put(to, 0, g->kernel_w * g->in_c);
    }
  }
  put(to, 0, p->filter_values - (int32_t)(to - window));
}

/* All channels of a pixel. */
static void pixel(const tinyops_conv_2d_int16_params *p, const int16_t *x,
                  const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                  const TINYOPS_FLASH int16_t *multiplier, const TINYOPS_FLASH int8_t *shift,
                  int16_t *output) {
  for (int32_t c = 0; c < p->window.out_c; c += FILTERS, weights += FILTERS * p->filter_values) {
    const int32_t left = p->window.out_c - c, count = left < FILTERS ? left : FILTERS;
    int32_t acc[FILTERS] = {0, 0, 0, 0};
    four_filters(x, weights, p->filter_values, acc);
    for (int32_t i = 0; i < count; ++i) {
      const int32_t k = (c + i) * p->channel_step;
      output[c + i] =
          tinyops_requantise_wide(acc[i] + bias[c + i], multiplier[k], shift[k], p->min, p->max);
    }
  }
}

void tinyops_conv_2d_int16(const tinyops_conv_2d_int16_params *p, const int16_t *input,
                           const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
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
        gather(p, input, y0, x0, window);
        pixel(p, window, weights, bias, multiplier, shift, output);
      }
    }
  }
}
