#include "tinyops/kernels/softmax.h"

#include "tinyops/kernels/exponential.h"

static int32_t exp_of(const tinyops_softmax_params *p, int32_t difference) {
  return tinyops_exp_on_negative(
      tinyops_high_mul(tinyops_left_shift(difference, p->left_shift), p->multiplier));
}

/* What the values of a row have in common. */
typedef struct {
  int32_t largest;
  tinyops_inverse_sum inverse;
} row_sums;

/* For outputs in 2^-bits. */
static row_sums sum_row(const tinyops_softmax_params *p, const int8_t *input, int32_t bits) {
  row_sums found = {INT8_MIN, {0, 0}};
  for (int32_t i = 0; i < p->depth; ++i) {
    found.largest = input[i] > found.largest ? input[i] : found.largest;
  }
  int32_t sum = 0;
  for (int32_t i = 0; i < p->depth; ++i) {
    const int32_t difference = input[i] - found.largest;
    if (difference >= p->diff_min) {
      sum += tinyops_rounding_shift(exp_of(p, difference), TINYOPS_SUM_INTEGER_BITS);
    }
  }
  found.inverse = tinyops_inverse_of_sum(sum, bits);
  return found;
}

/* The output for a value of the row, from 0 to 2^bits. */
static int32_t share_of(const tinyops_softmax_params *p, const row_sums *row, int8_t value) {
  const int32_t difference = value - row->largest;
  if (difference < p->diff_min || row->inverse.shift > 31) { /* beyond, all round to 0 */
    return 0;
  }
  return tinyops_rounding_shift(tinyops_high_mul(row->inverse.scale, exp_of(p, difference)),
                                row->inverse.shift);
}

void tinyops_softmax(const tinyops_softmax_params *p, const int8_t *input, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row) {
    const row_sums sums = sum_row(p, input, 8);
    for (int32_t i = 0; i < p->depth; ++i) {
      *output++ =
          (int8_t)tinyops_clamp(INT8_MIN + share_of(p, &sums, *input++), INT8_MIN, INT8_MAX);
    }
  }
}

void tinyops_softmax_int16(const tinyops_softmax_params *p, const int8_t *input, int16_t *output) {
  for (int32_t row = 0; row < p->rows; ++row) {
    const row_sums sums = sum_row(p, input, 16);
    for (int32_t i = 0; i < p->depth; ++i) {
      const int32_t value = INT16_MIN + share_of(p, &sums, *input++);
      *output++ = (int16_t)tinyops_clamp(value, INT16_MIN, INT16_MAX);
    }
  }
}
