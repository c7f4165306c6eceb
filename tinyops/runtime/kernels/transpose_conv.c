#include "tinyops/kernels/transpose_conv.h"

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/dot.h"

/* `count` taps reach an output row (or column): tap `first` from input row `from`, the next ones
 * each a stride of taps further from the row before. */
typedef struct {
  int32_t first, from, count;
} reach;

/* `at` is the output row plus the padding in front. */
static reach reach_of(int32_t at, int32_t stride, int32_t taps) {
  reach found = {at % stride, at / stride, 0};
  found.count = found.first < taps ? (taps - found.first + stride - 1) / stride : 0;
  return found;
}

/* Of one output channel, whose weights are `filter`. */
static int32_t sum(const tinyops_transpose_conv_params *p, const int8_t *input,
                   const TINYOPS_FLASH int8_t *filter, reach rows, reach columns) {
  const tinyops_window *g = &p->window;
  int32_t acc = 0;
  int32_t outside = 0;
  for (int32_t j = 0; j < rows.count; ++j) {
    const int32_t y = rows.from - j;
    const TINYOPS_FLASH int8_t *taps =
        filter + (rows.first + j * g->stride_h) * g->kernel_w * g->in_c;
    for (int32_t i = 0; i < columns.count; ++i) {
      const int32_t x = columns.from - i;
      const TINYOPS_FLASH int8_t *w = taps + (columns.first + i * g->stride_w) * g->in_c;
      if (y >= 0 && y < g->in_h && x >= 0 && x < g->in_w) {
        acc = tinyops_dot(input + (y * g->in_w + x) * g->in_c, w, g->in_c, acc);
      } else {
        outside += tinyops_sum(w, g->in_c);
      }
    }
  }
  return acc + outside * p->input_zero_point;
}

void tinyops_transpose_conv(const tinyops_transpose_conv_params *p, const int8_t *input,
                            const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                            const TINYOPS_FLASH int32_t *multiplier,
                            const TINYOPS_FLASH int8_t *shift, int8_t *output) {
  const tinyops_window *g = &p->window;
  const int32_t filter = g->kernel_h * g->kernel_w * g->in_c;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    const reach rows = reach_of(oy + g->pad_top, g->stride_h, g->kernel_h);
    for (int32_t ox = 0; ox < g->out_w; ++ox) {
      const reach columns = reach_of(ox + g->pad_left, g->stride_w, g->kernel_w);
      const TINYOPS_FLASH int32_t *folded =
          bias + (rows.first * g->stride_w + columns.first) * g->out_c;
      for (int32_t c = 0; c < g->out_c; ++c) {
        const int32_t acc = folded[c] + sum(p, input, weights + c * filter, rows, columns);
        const int32_t k = c * p->channel_step;
        *output++ =
            tinyops_requantise(acc, multiplier[k], shift[k], p->output_zero_point, p->min, p->max);
      }
    }
  }
}
