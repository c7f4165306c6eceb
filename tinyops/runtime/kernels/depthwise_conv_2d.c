#include "tinyops/kernels/depthwise_conv_2d.h"

#include "tinyops/fixed_point.h"

/* One output pixel's window: where it starts in the input and which taps lie inside. */
typedef struct {
  int32_t y0, x0;
  tinyops_taps rows, columns;
} pixel;

static int tap_inside(const pixel *at, int32_t ky, int32_t kx) {
  return ky >= at->rows.first && ky < at->rows.last && kx >= at->columns.first &&
         kx < at->columns.last;
}

static const int8_t *tap_input(const tinyops_window *g, const int8_t *input, const pixel *at,
                               int32_t ky, int32_t kx) {
  const int32_t y = at->y0 + ky * g->dilation_h;
  const int32_t x = at->x0 + kx * g->dilation_w;
  return input + (y * g->in_w + x) * g->in_c;
}

/* acc (4) += window of channels c..c+3; needs a depth multiplier of 1. */
static void sum_four(const tinyops_depthwise_conv_2d_params *p, const int8_t *input,
                     const TINYOPS_FLASH int8_t *weights, const pixel *at, int32_t c,
                     int32_t acc[4]) {
  const tinyops_window *g = &p->window;
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  const TINYOPS_FLASH int8_t *w = weights + c;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    for (int32_t kx = 0; kx < g->kernel_w; ++kx, w += g->out_c) {
      if (tap_inside(at, ky, kx)) {
        const int8_t *x = tap_input(g, input, at, ky, kx) + c;
        a0 += x[0] * w[0];
        a1 += x[1] * w[1];
        a2 += x[2] * w[2];
        a3 += x[3] * w[3];
      } else {
        const int32_t x = p->input_zero_point;
        a0 += x * w[0];
        a1 += x * w[1];
        a2 += x * w[2];
        a3 += x * w[3];
      }
    }
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

/* acc + window of channel c. */
static int32_t sum_one(const tinyops_depthwise_conv_2d_params *p, const int8_t *input,
                       const TINYOPS_FLASH int8_t *weights, const pixel *at, int32_t c,
                       int32_t acc) {
  const tinyops_window *g = &p->window;
  const int32_t source = c / p->depth_multiplier;
  const TINYOPS_FLASH int8_t *w = weights + c;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    for (int32_t kx = 0; kx < g->kernel_w; ++kx, w += g->out_c) {
      const int32_t x =
          tap_inside(at, ky, kx) ? tap_input(g, input, at, ky, kx)[source] : p->input_zero_point;
      acc += x * *w;
    }
  }
  return acc;
}

/* The out_c values of one output pixel. */
static void one_pixel(const tinyops_depthwise_conv_2d_params *p, const int8_t *input,
                      const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                      const TINYOPS_FLASH int32_t *multiplier, const TINYOPS_FLASH int8_t *shift,
                      const pixel *at, int8_t *output) {
  const int32_t channels = p->window.out_c;
  int32_t c = 0;
  for (; p->depth_multiplier == 1 && c + 4 <= channels; c += 4) {
    int32_t acc[4] = {bias[c], bias[c + 1], bias[c + 2], bias[c + 3]};
    sum_four(p, input, weights, at, c, acc);
    for (int32_t i = 0; i < 4; ++i) {
      const int32_t k = (c + i) * p->channel_step;
      output[c + i] =
          tinyops_requantise(acc[i], multiplier[k], shift[k], p->output_zero_point, p->min, p->max);
    }
  }
  for (; c < channels; ++c) {
    const int32_t k = c * p->channel_step;
    const int32_t acc = sum_one(p, input, weights, at, c, bias[c]);
    output[c] =
        tinyops_requantise(acc, multiplier[k], shift[k], p->output_zero_point, p->min, p->max);
  }
}

void tinyops_depthwise_conv_2d(const tinyops_depthwise_conv_2d_params *p, const int8_t *input,
                               const TINYOPS_FLASH int8_t *weights,
                               const TINYOPS_FLASH int32_t *bias,
                               const TINYOPS_FLASH int32_t *multiplier,
                               const TINYOPS_FLASH int8_t *shift, int8_t *output) {
  const tinyops_window *g = &p->window;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    pixel at;
    at.y0 = oy * g->stride_h - g->pad_top;
    at.rows = tinyops_taps_inside(at.y0, g->in_h, g->kernel_h, g->dilation_h);
    for (int32_t ox = 0; ox < g->out_w; ++ox) {
      at.x0 = ox * g->stride_w - g->pad_left;
      at.columns = tinyops_taps_inside(at.x0, g->in_w, g->kernel_w, g->dilation_w);
      one_pixel(p, input, weights, bias, multiplier, shift, &at, output);
      output += g->out_c;
    }
  }
}
