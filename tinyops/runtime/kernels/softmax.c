#include "tinyops/kernels/softmax.h"

#include "tinyops/kernels/exponential.h"

static int32_t exp_of(const tinyops_softmax_params *p, int32_t difference) {
  return tinyops_exp_on_negative(
      tinyops_high_mul(tinyops_left_shift(difference, p->left_shift), p->multiplier));
}

static void softmax_row(const tinyops_softmax_params *p, const int8_t *input, int8_t *output) {
  int32_t largest = INT8_MIN;
  for (int32_t i = 0; i < p->depth; ++i) {
    largest = input[i] > largest ? input[i] : largest;
  }
  int32_t sum = 0;
  for (int32_t i = 0; i < p->depth; ++i) {
    const int32_t difference = input[i] - largest;
    if (difference >= p->diff_min) {
      sum += tinyops_rounding_shift(exp_of(p, difference), TINYOPS_SUM_INTEGER_BITS);
    }
  }
  const int32_t headroom = tinyops_leading_zeros((uint32_t)sum);
  const uint32_t mantissa = ((uint32_t)sum << headroom) - 0x80000000u;
  const int32_t scale = tinyops_one_over_one_plus((int32_t)mantissa);
  const int32_t exponent = TINYOPS_SUM_INTEGER_BITS - headroom + 31 - 8;
  for (int32_t i = 0; i < p->depth; ++i) {
    const int32_t difference = input[i] - largest;
    int32_t value = INT8_MIN;
    if (difference >= p->diff_min && exponent <= 31) { /* beyond, all round to 0 */
      value += tinyops_rounding_shift(tinyops_high_mul(scale, exp_of(p, difference)), exponent);
    }
    output[i] = (int8_t)tinyops_clamp(value, INT8_MIN, INT8_MAX);
  }
}

void tinyops_softmax(const tinyops_softmax_params *p, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row) {
    softmax_row(p, input + row * p->depth, output + row * p->depth);
  }
}
