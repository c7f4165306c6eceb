#include "tinyops/kernels/l2_normalization.h"

#include "tinyops/kernels/exponential.h"

enum { OUTPUT_BITS = 7 };

typedef struct {
  int32_t multiplier, shift;
} factor;

/* 1 / sqrt(value), value >= 0, by five Newton steps on Q3.28; 0 counts as 1. */
static factor inverse_square_root(int32_t value) {
  const int32_t one = (int32_t)1 << 28, half_root_of_two = 1518500250;
  factor f = {INT32_MAX, 0};
  if (value <= 1) {
    return f;
  }
  int32_t right = 11;
  while (value >= (int32_t)1 << 29) {
    value /= 4;
    ++right;
  }
  const int32_t pairs = (tinyops_leading_zeros((uint32_t)value) - 1) / 2 - 1;
  right -= pairs;
  const int32_t half = tinyops_rounding_shift((value << 2 * pairs) >> 1, 1);
  int32_t x = one;
  for (int i = 0; i < 5; ++i) {
    const int32_t cube = tinyops_saturating_shift(tinyops_high_mul(tinyops_high_mul(x, x), x), 6);
    x = tinyops_saturating_shift(tinyops_high_mul(one + one / 2, x) - tinyops_high_mul(half, cube),
                                 3);
  }
  x = tinyops_high_mul(x, half_root_of_two);
  f.multiplier = right < 0 ? tinyops_left_shift(x, -right) : x;
  f.shift = right < 0 ? 0 : -right;
  return f;
}

void tinyops_l2_normalization(const tinyops_l2_normalization_params *p, const int8_t *input,
                              int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->depth, output += p->depth) {
    int32_t sum = 0;
    for (int32_t i = 0; i < p->depth; ++i) {
      const int32_t value = input[i] + p->input_offset;
      sum += value * value;
    }
    const factor f = inverse_square_root(sum);
    for (int32_t i = 0; i < p->depth; ++i) {
      output[i] = tinyops_requantise(input[i] + p->input_offset, f.multiplier,
                                     f.shift + OUTPUT_BITS, 0, INT8_MIN, INT8_MAX);
    }
  }
}
