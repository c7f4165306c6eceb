#include "tinyops/kernels/depthwise_int16.h"

#include "tinyops/kernels/wide.h"

/* The taps of one output pixel that lie inside the image; all others are zeros. */
typedef struct {
  const int16_t *input; /* at the first of them */
  int32_t weight;       /* its offset in the weights of channel 0 */
  int32_t rows, columns;
  int32_t row_step, column_step; /* of the input */
} taps;

/* acc (4) += window of four channels, the first at taps' input + c and weights + c. */
static void sum_four(const tinyops_window *g, const taps *t, const TINYOPS_FLASH int8_t *weights,
                     int32_t c, int32_t acc[4]) {
  int32_t a0 = acc[0], a1 = acc[1], a2 = acc[2], a3 = acc[3];
  for (int32_t y = 0; y < t->rows; ++y) {
    const int16_t *x = t->input + y * t->row_step + c;
    const TINYOPS_FLASH int8_t *w = weights + t->weight + y * g->kernel_w * g->out_c + c;
    for (int32_t i = 0; i < t->columns; ++i, x += t->column_step, w += g->out_c) {
      a0 += (int32_t)x[0] * w[0];
      a1 += (int32_t)x[1] * w[1];
      a2 += (int32_t)x[2] * w[2];
      a3 += (int32_t)x[3] * w[3];
    }
  }
  acc[0] = a0;
  acc[1] = a1;
  acc[2] = a2;
  acc[3] = a3;
}

/* acc + window of output channel c, which is of input channel `source`. */
static int32_t sum_one(const tinyops_window *g, const taps *t, const TINYOPS_FLASH int8_t *weights,
                       int32_t c, int32_t source, int32_t acc) {
  for (int32_t y = 0; y < t->rows; ++y) {
    const int16_t *x = t->input + y * t->row_step + source;
    const TINYOPS_FLASH int8_t *w = weights + t->weight + y * g->kernel_w * g->out_c + c;
    for (int32_t i = 0; i < t->columns; ++i, x += t->column_step, w += g->out_c) {
      acc += (int32_t)*x * *w;
    }
  }
  return acc;
}

static taps taps_of(const tinyops_window *g, const int16_t *input, int32_t y0, int32_t x0) {
  const tinyops_taps rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, g->dilation_h);
  const tinyops_taps columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, g->dilation_w);
  const int32_t y = y0 + rows.first * g->dilation_h, x = x0 + columns.first * g->dilation_w;
  taps t;
  t.rows = rows.last - rows.first;
  t.columns = columns.last - columns.first;
  /* A window that lies outside as a whole is read nowhere. */
  t.input = t.rows > 0 && t.columns > 0 ? input + (y * g->in_w + x) * g->in_c : input;
  t.weight = (rows.first * g->kernel_w + columns.first) * g->out_c;
  t.row_step = g->dilation_h * g->in_w * g->in_c;
  t.column_step = g->dilation_w * g->in_c;
  return t;
}

void tinyops_depthwise_int16(const tinyops_depthwise_int16_params *p, const int16_t *input,
                             const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                             const TINYOPS_FLASH int16_t *multiplier,
                             const TINYOPS_FLASH int8_t *shift, int16_t *output) {
  const tinyops_window *g = &p->window;
  const int32_t pixels = g->out_h * g->out_w;
  for (int32_t i = 0; i < pixels; ++i, output += g->out_c) {
    const taps t = taps_of(g, input, i / g->out_w * g->stride_h - g->pad_top,
                           i % g->out_w * g->stride_w - g->pad_left);
    for (int32_t c = 0; c < g->out_c;) {
      const int32_t count = p->depth_multiplier == 1 && c + 4 <= g->out_c ? 4 : 1;
      int32_t acc[4] = {0, 0, 0, 0};
      if (count == 4) {
        sum_four(g, &t, weights, c, acc);
      } else {
        acc[0] = sum_one(g, &t, weights, c, c / p->depth_multiplier, 0);
      }
      for (int32_t n = 0; n < count; ++n, ++c) {
        const int32_t k = c * p->channel_step;
        output[c] =
            tinyops_requantise_wide(acc[n] + bias[c], multiplier[k], shift[k], p->min, p->max);
      }
    }
  }
}
