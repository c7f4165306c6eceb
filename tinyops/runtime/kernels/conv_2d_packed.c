#include "tinyops/kernels/conv_2d_packed.h"

#include "tinyops/kernels/conv_2d_pairs.h"

void tinyops_conv_2d_packed(const tinyops_conv_2d_packed_params *p, const int8_t *input,
                            const int32_t *weights, int8_t *output, uint32_t *scratch) {
  const tinyops_window *g = &p->window;
  const int32_t pixels = g->out_h * g->out_w;
  const int32_t pair_words = p->filter_values / 2 + 5;
  const int32_t *const odd = weights + g->out_c / 2 * pair_words; /* a channel left over */
  const uint32_t *const end = scratch + p->filter_values;
  const int32_t bias_step = 2 * p->output_zero_point + 1;
  int8_t *const bytes = (int8_t *)(scratch + p->filter_values);
  int32_t oy = 0, ox = 0;
  for (int32_t pixel = 0; pixel < pixels; pixel += 2) {
    int8_t *const first = output + pixel * g->out_c;
    /* A pixel left over is computed twice. */
    int8_t *const second = pixel + 1 < pixels ? first + g->out_c : first;
    for (int32_t i = 0; i < 2; ++i) {
      tinyops_gather_window(p, input, oy, ox, scratch + 2 * i, bytes);
      if ((i == 1 || second != first) && ++ox == g->out_w) {
        ox = 0;
        ++oy;
      }
    }
    if (weights != odd) {
      tinyops_multiply_pairs(scratch, end, weights, odd, bias_step, first, second);
    }
    if (g->out_c % 2) {
      int8_t two[4];
      tinyops_multiply_pairs(scratch, end, odd, odd + pair_words, bias_step, two, two + 2);
      first[g->out_c - 1] = two[0];
      second[g->out_c - 1] = two[2];
    }
  }
  tinyops_packed_clamp(output, pixels * g->out_c, p->min, p->max);
}
