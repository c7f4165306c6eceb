#include "tinyops/kernels/elementwise_int16.h"

static int32_t on_common_scale(int32_t value, int32_t multiplier, int32_t shift) {
  return tinyops_multiply(value * ((int32_t)1 << TINYOPS_SUM_INT16_LEFT_SHIFT), multiplier, shift);
}

static inline int16_t one(const void *params, int32_t a, int32_t b) {
  const tinyops_sum_int16_params *p = (const tinyops_sum_int16_params *)params;
  const int32_t x = on_common_scale(a, p->a_multiplier, p->a_shift);
  const int32_t y = on_common_scale(b, p->b_multiplier, p->b_shift);
  const int32_t sum = p->negate ? x - y : x + y;
  const int32_t value = tinyops_multiply(sum, p->output_multiplier, p->output_shift);
  return (int16_t)tinyops_clamp(value, p->min, p->max);
}

void tinyops_sum_int16(const tinyops_sum_int16_params *p, const int16_t *a, const int16_t *b,
                       int16_t *output) {
  tinyops_for_each_pair_int16(&p->shape, a, b, output, p, one);
}
