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

/* acc[k] + sum of a[i] * b[k * step + i], i < n, for two k: what is loaded of `a` serves both. */
static inline void dot_2(const int8_t *a, const TINYOPS_FLASH int8_t *b, int32_t step, int32_t n,
                         int32_t acc[2]) {
  const TINYOPS_FLASH int8_t *c = b + step;
  int32_t first = acc[0];
  int32_t second = acc[1];
#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
  for (; n >= 4; n -= 4, a += 4, b += 4, c += 4) {
    const int8x4_t x = tinyops_load4(a);
    const int8x4_t y = tinyops_load4(b);
    const int8x4_t z = tinyops_load4(c);
    const int16x2_t even = __sxtb16(x);
    const int16x2_t odd = __sxtb16(tinyops_odd_bytes(x));
    first = __smlad(even, __sxtb16(y), first);
    first = __smlad(odd, __sxtb16(tinyops_odd_bytes(y)), first);
    second = __smlad(even, __sxtb16(z), second);
    second = __smlad(odd, __sxtb16(tinyops_odd_bytes(z)), second);
  }
#endif
  for (int32_t i = 0; i < n; ++i) {
    first += a[i] * b[i];
    second += a[i] * c[i];
  }
  acc[0] = first;
  acc[1] = second;
}

/* Adds to acc[0..1] what reaches a pixel of two output channels, whose weights are `filter` and
 * `step` behind it. */
static void add_taps(const tinyops_transpose_conv_params *p, const int8_t *input,
                     const TINYOPS_FLASH int8_t *filter, int32_t step, reach rows, reach columns,
                     int32_t acc[2]) {
  const tinyops_window *g = &p->window;
  for (int32_t j = 0; j < rows.count; ++j) {
    const int32_t y = rows.from - j;
    const TINYOPS_FLASH int8_t *taps =
        filter + (rows.first + j * g->stride_h) * g->kernel_w * g->in_c;
    for (int32_t i = 0; i < columns.count; ++i) {
      const int32_t x = columns.from - i;
      const TINYOPS_FLASH int8_t *w = taps + (columns.first + i * g->stride_w) * g->in_c;
      if (y >= 0 && y < g->in_h && x >= 0 && x < g->in_w) {
        dot_2(input + (y * g->in_w + x) * g->in_c, w, step, g->in_c, acc);
      } else {
        acc[0] += p->input_zero_point * tinyops_sum(w, g->in_c);
        acc[1] += p->input_zero_point * tinyops_sum(w + step, g->in_c);
      }
    }
  }
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
      for (int32_t c = 0; c < g->out_c; c += 2) {
        const int32_t pair = c + 1 < g->out_c; /* 0: the last channel, twice */
        int32_t acc[2] = {folded[c], folded[c + pair]};
        add_taps(p, input, weights + c * filter, pair * filter, rows, columns, acc);
        for (int32_t i = 0; i <= pair; ++i) {
          const int32_t k = (c + i) * p->channel_step;
          *output++ = tinyops_requantise(acc[i], multiplier[k], shift[k], p->output_zero_point,
                                         p->min, p->max);
        }
      }
    }
  }
}
