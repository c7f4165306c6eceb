#include "tinyops/kernels/elementwise.h"

static inline int8_t one(const void *params, int32_t a, int32_t b) {
  const tinyops_mul_params *p = (const tinyops_mul_params *)params;
  return tinyops_requantise((a + p->a_offset) * (b + p->b_offset), p->output_multiplier,
                            p->output_shift, p->output_zero_point, p->min, p->max);
}

void tinyops_mul(const tinyops_mul_params *p, const int8_t *a, const int8_t *b, int8_t *output) {
  tinyops_for_each_pair(&p->shape, a, b, output, p, one);
}
