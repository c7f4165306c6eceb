#include "tinyops/kernels/elementwise.h"

static inline int8_t one(const void *params, int32_t a, int32_t slope) {
  const tinyops_prelu_params *p = (const tinyops_prelu_params *)params;
  const int32_t x = a + p->a_offset;
  if (x >= 0) {
    return tinyops_requantise(x, p->positive_multiplier, p->positive_shift, p->output_zero_point,
                              INT8_MIN, INT8_MAX);
  }
  return tinyops_requantise(x * (slope + p->b_offset), p->negative_multiplier, p->negative_shift,
                            p->output_zero_point, INT8_MIN, INT8_MAX);
}

void tinyops_prelu(const tinyops_prelu_params *p, const int8_t *a, const int8_t *b,
                   int8_t *output) {
  tinyops_for_each_pair(&p->shape, a, b, output, p, one);
}
