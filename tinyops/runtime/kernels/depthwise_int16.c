#include "tinyops/kernels/depthwise_int16.h"

#include "tinyops/kernels/wide.h"

/* The taps of one output pixel that lie inside the image; all others are zeros. */
typedef struct {
  const int16_t *input; /* at the first of them */
  int32_t weight;       /* its offset in the weights of channel 0 */
  int32_t rows, columns;
  int32_t row_step, column_step; /* of the input */
} taps;

/* What turns accumulators into outputs, from some channel on. */
typedef struct {
  const TINYOPS_FLASH int32_t *bias;
  const TINYOPS_FLASH int16_t *multiplier;
  const TINYOPS_FLASH int8_t *shift;
  int32_t step; /* between the latter two of two channels */
  int32_t min, max;
} scaling;

static inline int16_t scaled(scaling *s, int32_t acc) {
  const int32_t sum = acc + *s->bias++;
  const int16_t value = tinyops_requantise_wide(sum, *s->multiplier, *s->shift, s->min, s->max);
  s->multiplier += s->step;
  s->shift += s->step;
  return value;
}

/* Four channels of one output pixel; `x` and `w` are at the first of them. */
static void four(const tinyops_window *g, const taps *t, const int16_t *x,
                 const TINYOPS_FLASH int8_t *w, scaling *s, int16_t *output) {
  const int32_t next_row = t->row_step - t->columns * t->column_step;
  const int32_t next_weights = (g->kernel_w - t->columns) * g->out_c;
  int32_t a0 = 0, a1 = 0, a2 = 0, a3 = 0;
  for (int32_t y = t->rows; y > 0; --y, x += next_row, w += next_weights) {
    for (int32_t i = t->columns; i > 0; --i, x += t->column_step, w += g->out_c) {
      a0 += (int32_t)x[0] * w[0];
      a1 += (int32_t)x[1] * w[1];
      a2 += (int32_t)x[2] * w[2];
      a3 += (int32_t)x[3] * w[3];
    }
  }
  output[0] = scaled(s, a0);
  output[1] = scaled(s, a1);
  output[2] = scaled(s, a2);
  output[3] = scaled(s, a3);
}

/* One channel; `x` and `w` are at it. */
static int16_t one(const tinyops_window *g, const taps *t, const int16_t *x,
                   const TINYOPS_FLASH int8_t *w, scaling *s) {
  const int32_t next_row = t->row_step - t->columns * t->column_step;
  const int32_t next_weights = (g->kernel_w - t->columns) * g->out_c;
  int32_t acc = 0;
  for (int32_t y = t->rows; y > 0; --y, x += next_row, w += next_weights) {
    for (int32_t i = t->columns; i > 0; --i, x += t->column_step, w += g->out_c) {
      acc += (int32_t)*x * *w;
    }
  }
  return scaled(s, acc);
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
    const TINYOPS_FLASH int8_t *w = weights + t.weight;
    scaling s = {bias, multiplier, shift, p->channel_step, p->min, p->max};
    int32_t c = 0;
    for (; p->depth_multiplier == 1 && c + 4 <= g->out_c; c += 4) {
      four(g, &t, t.input + c, w + c, &s, output + c);
    }
    for (; c < g->out_c; ++c) {
      output[c] = one(g, &t, t.input + c / p->depth_multiplier, w + c, &s);
    }
  }
}
