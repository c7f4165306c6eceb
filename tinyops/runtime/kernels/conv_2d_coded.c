#include "tinyops/kernels/conv_2d_coded.h"

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/coded.h"

/* Where the window of an output pixel begins in the input, which may be outside. */
typedef struct {
  int32_t y0, x0;
  int32_t ox; /* of the output pixel, in its row */
} place;

static place place_of(const tinyops_window *g, int32_t pixel) {
  const int32_t oy = pixel / g->out_w, ox = pixel - oy * g->out_w;
  const place at = {oy * g->stride_h - g->pad_top, ox * g->stride_w - g->pad_left, ox};
  return at;
}

static void go_on(const tinyops_window *g, place *at) {
  at->ox += 1;
  at->x0 += g->stride_w;
  if (at->ox == g->out_w) {
    at->ox = 0;
    at->x0 = -g->pad_left;
    at->y0 += g->stride_h;
  }
}

/* A window whose taps lie inside and side by side in each row. */
static int32_t inner_sum(const tinyops_window *g, const int8_t *image, const int8_t *w) {
  const int32_t row_weights = g->kernel_w * g->in_c;
  const int32_t row_step = g->dilation_h * g->in_w * g->in_c;
  int32_t acc = 0;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    acc = tinyops_near_dot(image, w, row_weights, acc);
    image += row_step;
    w += row_weights;
  }
  return acc;
}

/* Any window: taps outside read the zero point. */
static int32_t edge_sum(const tinyops_conv_2d_coded_params *p, const int8_t *input, const int8_t *w,
                        const place *at) {
  const tinyops_window *g = &p->window;
  const tinyops_taps rows = tinyops_taps_inside(at->y0, g->in_h, g->kernel_h, g->dilation_h);
  const tinyops_taps columns = tinyops_taps_inside(at->x0, g->in_w, g->kernel_w, g->dilation_w);
  int32_t acc = 0;
  int32_t padded = 0;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    const int32_t y = at->y0 + ky * g->dilation_h;
    for (int32_t kx = 0; kx < g->kernel_w; ++kx, w += g->in_c) {
      if (ky >= rows.first && ky < rows.last && kx >= columns.first && kx < columns.last) {
        const int32_t x = at->x0 + kx * g->dilation_w;
        acc = tinyops_near_dot(input + (y * g->in_w + x) * g->in_c, w, g->in_c, acc);
      } else {
        padded += tinyops_near_sum(w, g->in_c);
      }
    }
  }
  return acc + padded * p->input_zero_point;
}

void tinyops_conv_2d_coded(const tinyops_conv_2d_coded_params *p, const int8_t *input,
                           const TINYOPS_FLASH uint8_t *codes, const TINYOPS_FLASH int8_t *table,
                           const TINYOPS_FLASH int32_t *bias,
                           const TINYOPS_FLASH int32_t *multiplier,
                           const TINYOPS_FLASH int8_t *shift, int8_t *output, int8_t *filter) {
  const tinyops_window *g = &p->window;
  const int32_t values = g->kernel_h * g->kernel_w * g->in_c;
  const int32_t bytes = tinyops_coded_bytes(values);
  const int32_t total = g->out_h * g->out_w;
  /* Windows that begin in 0..last lie inside as a whole. */
  const int32_t last_y = g->in_h - (g->kernel_h - 1) * g->dilation_h - 1;
  const int32_t last_x =
      g->dilation_w == 1 || g->kernel_w == 1 ? g->in_w - (g->kernel_w - 1) * g->dilation_w - 1 : -1;
  int8_t near[TINYOPS_CODES];
  tinyops_take_table(table, near);
  for (int32_t first = 0; first < total; first += p->pixels, output += p->pixels * g->out_c) {
    const int32_t count = total - first < p->pixels ? total - first : p->pixels;
    const place start = place_of(g, first);
    for (int32_t c = 0; c < g->out_c; ++c) {
      const int32_t k = c * p->channel_step;
      place at = start;
      tinyops_decode_weights(codes + c * bytes, near, values, filter);
      for (int32_t i = 0; i < count; ++i, go_on(g, &at)) {
        const int inside = at.y0 >= 0 && at.y0 <= last_y && at.x0 >= 0 && at.x0 <= last_x;
        const int32_t sum = inside
                                ? inner_sum(g, input + (at.y0 * g->in_w + at.x0) * g->in_c, filter)
                                : edge_sum(p, input, filter, &at);
        output[i * g->out_c + c] = tinyops_requantise(bias[c] + sum, multiplier[k], shift[k],
                                                      p->output_zero_point, p->min, p->max);
      }
    }
  }
}
