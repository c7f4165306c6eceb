#include "tinyops/kernels/conv_2d.h"

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/dot.h"

/* Taps of one output value that touch the padding: they read the zero point. `image` is the input
 * at (y0, x0), which may lie outside; only taps inside are read. */
static int32_t edge_sum(const tinyops_conv_2d_params *p, const int8_t *input,
                        const TINYOPS_FLASH int8_t *weights, int32_t y0, int32_t x0,
                        tinyops_taps rows, tinyops_taps columns) {
  const tinyops_window *g = &p->window;
  const int32_t row_weights = g->kernel_w * g->in_c;
  int32_t acc = 0;
  int32_t padded = 0;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky, weights += row_weights) {
    if (ky < rows.first || ky >= rows.last) {
      padded += tinyops_sum(weights, row_weights);
      continue;
    }
    const int32_t y = y0 + ky * g->dilation_h;
    padded += tinyops_sum(weights, columns.first * g->in_c);
    for (int32_t kx = columns.first; kx < columns.last; ++kx) {
      const int32_t x = x0 + kx * g->dilation_w;
      acc = tinyops_dot(input + (y * g->in_w + x) * g->in_c, weights + kx * g->in_c, g->in_c, acc);
    }
    padded += tinyops_sum(weights + columns.last * g->in_c, (g->kernel_w - columns.last) * g->in_c);
  }
  return acc + padded * p->input_zero_point;
}

/* All taps inside and side by side in each row. */
static int32_t inner_sum(const tinyops_window *g, const int8_t *image,
                         const TINYOPS_FLASH int8_t *weights) {
  const int32_t row_weights = g->kernel_w * g->in_c;
  const int32_t row_step = g->dilation_h * g->in_w * g->in_c;
  int32_t acc = 0;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    acc = tinyops_dot(image, weights, row_weights, acc);
    image += row_step;
    weights += row_weights;
  }
  return acc;
}

void tinyops_conv_2d(const tinyops_conv_2d_params *p, const int8_t *input,
                     const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                     const TINYOPS_FLASH int32_t *multiplier, const TINYOPS_FLASH int8_t *shift,
                     int8_t *output) {
  const tinyops_window *g = &p->window;
  const int32_t filter = g->kernel_h * g->kernel_w * g->in_c;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    const tinyops_taps rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, g->dilation_h);
    for (int32_t ox = 0; ox < g->out_w; ++ox) {
      const int32_t x0 = ox * g->stride_w - g->pad_left;
      const tinyops_taps columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, g->dilation_w);
      const int inside = rows.first == 0 && rows.last == g->kernel_h && columns.first == 0 &&
                         columns.last == g->kernel_w && (g->dilation_w == 1 || g->kernel_w == 1);
      for (int32_t c = 0; c < g->out_c; ++c) {
        const TINYOPS_FLASH int8_t *w = weights + c * filter;
        const int32_t sum = inside ? inner_sum(g, input + (y0 * g->in_w + x0) * g->in_c, w)
                                   : edge_sum(p, input, w, y0, x0, rows, columns);
        const int32_t k = c * p->channel_step;
        *output++ = tinyops_requantise(bias[c] + sum, multiplier[k], shift[k], p->output_zero_point,
                                       p->min, p->max);
      }
    }
  }
}
