#include "tinyops/kernels/elementwise_int16.h"

static inline int16_t one(const void *params, int32_t a, int32_t b) {
  const tinyops_mul_int16_params *p = (const tinyops_mul_int16_params *)params;
  const int32_t value = tinyops_multiply(a * b, p->output_multiplier, p->output_shift);
  return (int16_t)tinyops_clamp(value, p->min, p->max);
}

void tinyops_mul_int16(const tinyops_mul_int16_params *p, const int16_t *a, const int16_t *b,
                       int16_t *output) {
  tinyops_for_each_pair_int16(&p->shape, a, b, output, p, one);
}
