#include "tinyops/kernels/log_softmax.h"

#include "tinyops/kernels/exponential.h"

enum { INPUT_BITS = 5, OUTPUT_BITS = 4, ACC_BITS = 6 }; /* integer bits */

static int32_t half_sum(int32_t a, int32_t b) {
  const int64_t sum = (int64_t)a + b;
  return (int32_t)((sum + (sum >= 0 ? 1 : -1)) / 2);
}

static int32_t shifted(int32_t value, int32_t exponent) {
  return exponent == 0 ? value : tinyops_saturating_shift(value, exponent);
}

/* Powers of two as the accumulator's Q6.25, with a quarter added or taken off. */
static int32_t power_of_two(int32_t power, int32_t quarters) {
  return power * ((int32_t)1 << (31 - ACC_BITS)) + quarters * ((int32_t)1 << (31 - ACC_BITS - 2));
}

/* log(x) as Q5.26 of x >= 1 as Q12.19: x is 2^k r with r near the fourth root of a half, and
 * log(r) a quotient of polynomials. Two ways to choose k, of which the larger k wins. */
static int32_t logarithm(int32_t x) {
  const int32_t log_2 = 1488522236, fourth_root_of_half = 1805811301, root_of_half = 1518500250;
  const int32_t alpha_n = 117049297, alpha_d = 127690142, alpha_i = 1057819769, alpha_f = 638450708;
  const int32_t a_zeros = tinyops_leading_zeros((uint32_t)x);
  const int32_t a_power = power_of_two(TINYOPS_SUM_INTEGER_BITS - a_zeros, 1);
  const int32_t a = shifted(tinyops_high_mul(shifted(x, a_zeros - 1), root_of_half), 1);
  const int32_t b_zeros = tinyops_leading_zeros((uint32_t)tinyops_high_mul(x, root_of_half)) - 1;
  const int32_t b_power = power_of_two(TINYOPS_SUM_INTEGER_BITS - b_zeros, -1);
  const int32_t b = shifted(x, b_zeros);
  const int32_t r = a < b ? a : b;
  const int32_t power = a_power > b_power ? a_power : b_power;

  const int32_t p = half_sum(r, fourth_root_of_half);
  const int32_t q = 2 * (r - fourth_root_of_half);
  const int32_t square = tinyops_high_mul(q, q);
  const int32_t numerator =
      tinyops_high_mul(q, r) + tinyops_high_mul(tinyops_high_mul(q, square), alpha_n);
  const int32_t denominator = tinyops_high_mul(p, alpha_i + q + tinyops_high_mul(alpha_d, square)) +
                              tinyops_high_mul(alpha_f, q);
  const int32_t inverse = tinyops_one_over_one_plus(denominator);
  const int32_t sum = tinyops_high_mul(power, log_2) +
                      tinyops_high_mul(tinyops_rounding_shift(numerator, ACC_BITS), inverse);
  return tinyops_saturating_shift(sum, ACC_BITS - INPUT_BITS);
}

static int32_t scaled(const tinyops_log_softmax_params *p, int32_t difference) {
  return tinyops_multiply(difference, p->multiplier, p->left_shift);
}

static void log_softmax_row(const tinyops_log_softmax_params *p, const int8_t *input,
                            int8_t *output) {
  int32_t largest = INT8_MIN;
  for (int32_t i = 0; i < p->depth; ++i) {
    largest = input[i] > largest ? input[i] : largest;
  }
  int32_t sum = 0;
  for (int32_t i = 0; i < p->depth; ++i) {
    const int32_t difference = input[i] - largest;
    if (difference >= p->diff_min) {
      sum += tinyops_rounding_shift(tinyops_exp_on_negative(scaled(p, difference)),
                                    TINYOPS_SUM_INTEGER_BITS);
    }
  }
  const int32_t log_sum = logarithm(sum);
  /* Below this difference, the result is below the smallest Q5.26. */
  const int32_t smallest = tinyops_multiply((int32_t)((uint32_t)log_sum + 0x80000000u),
                                            p->back_multiplier, p->back_shift);
  const int32_t least = p->diff_min - 1 > smallest ? p->diff_min - 1 : smallest;
  for (int32_t i = 0; i < p->depth; ++i) {
    const int32_t difference = input[i] - largest;
    int32_t value = INT8_MIN;
    if (difference > least) {
      value = INT8_MAX + tinyops_rounding_shift(scaled(p, difference) - log_sum,
                                                31 - INPUT_BITS - OUTPUT_BITS);
    }
    output[i] = (int8_t)tinyops_clamp(value, INT8_MIN, INT8_MAX);
  }
}

void tinyops_log_softmax(const tinyops_log_softmax_params *p, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row) {
    log_softmax_row(p, input + row * p->depth, output + row * p->depth);
  }
}
