#include "tinyops/kernels/elementwise.h"
#include "tinyops/kernels/exponential.h"

/* By a reciprocal; dividend and divisor are brought to the upper end of 32 bits. */
static inline int8_t one(const void *params, int32_t a, int32_t b) {
  const tinyops_div_params *p = (const tinyops_div_params *)params;
  const int32_t y = b + p->b_offset;
  const int32_t x = y < 0 ? -(a + p->a_offset) : a + p->a_offset;
  int32_t value = 0;
  if (x != 0) {
    const uint32_t divisor = (uint32_t)(y < 0 ? -y : y);
    const int32_t zeros = tinyops_leading_zeros(divisor);
    const int32_t headroom = tinyops_leading_zeros((uint32_t)(x < 0 ? -x - 1 : x)) - 1;
    const int32_t inverse = tinyops_one_over_one_plus((int32_t)((divisor << zeros) - 0x80000000u));
    const int32_t quotient = tinyops_high_mul(tinyops_left_shift(x, headroom), inverse);
    value = tinyops_rounding_shift(tinyops_high_mul(quotient, p->output_multiplier),
                                   31 - zeros + headroom - p->output_shift);
  }
  return (int8_t)tinyops_clamp(value + p->output_zero_point, p->min, p->max);
}

void tinyops_div(const tinyops_div_params *p, const int8_t *a, const int8_t *b, int8_t *output) {
  tinyops_for_each_pair(&p->shape, a, b, output, p, one);
}
