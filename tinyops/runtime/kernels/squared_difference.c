#include "tinyops/kernels/elementwise.h"

static inline int8_t one(const void *params, int32_t a, int32_t b) {
  const tinyops_common_scale_params *p = (const tinyops_common_scale_params *)params;
  const int32_t x = tinyops_on_common_scale(a + p->a_offset, TINYOPS_DIFFERENCE_LEFT_SHIFT,
                                            p->a_multiplier, p->a_shift);
  const int32_t y = tinyops_on_common_scale(b + p->b_offset, TINYOPS_DIFFERENCE_LEFT_SHIFT,
                                            p->b_multiplier, p->b_shift);
  return tinyops_requantise((x - y) * (x - y), p->output_multiplier, p->output_shift,
                            p->output_zero_point, p->min, p->max);
}

void tinyops_squared_difference(const tinyops_common_scale_params *p, const int8_t *a,
                                const int8_t *b, int8_t *output) {
  tinyops_for_each_pair(&p->shape, a, b, output, p, one);
}
