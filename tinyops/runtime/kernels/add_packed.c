#include "tinyops/kernels/sum_packed.h"

void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *a, const int8_t *b,
                        int8_t *output) {
  const tinyops_packed_factor f =
      tinyops_packed_factor_of(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
  int32_t i = 0;
  for (; i + 4 <= p->count; i += 4) {
    int32_t sums[4] = {0};
    tinyops_packed_add_four(&p->a, a + i, sums);
    tinyops_packed_add_four(&p->b, b + i, sums);
    for (int32_t k = 0; k < 4; ++k) {
      output[i + k] = tinyops_packed_requantise(sums[k], f);
    }
  }
  for (; i < p->count; ++i) {
    output[i] = tinyops_packed_requantise(
        tinyops_packed_on_scale(&p->a, a[i]) + tinyops_packed_on_scale(&p->b, b[i]), f);
  }
  tinyops_packed_clamp(output, p->count, p->min, p->max);
}
