/* Exponentials, reciprocals and saturating shifts on fixed-point numbers, as gemmlowp has them. */
#ifndef TINYOPS_KERNELS_EXPONENTIAL_H
#define TINYOPS_KERNELS_EXPONENTIAL_H

#include <limits.h>

#include "tinyops/fixed_point.h"

enum { TINYOPS_SUM_INTEGER_BITS = 12 }; /* of a sum of exponentials: up to 4095 values */

/* value * 2^exponent, saturated; exponent in 1..30. */
static inline int32_t tinyops_saturating_shift(int32_t value, int32_t exponent) {
  const int32_t limit = (int32_t)(((uint32_t)1 << (31 - exponent)) - 1u);
  if (value > limit) {
    return INT32_MAX;
  }
  return value < -limit ? INT32_MIN : tinyops_left_shift(value, exponent);
}

static inline int32_t tinyops_leading_zeros(uint32_t value) {
#if defined(__GNUC__) && UINT_MAX == 0xffffffffu
  return value ? __builtin_clz(value) : 32;
#else
  int32_t count = 0;
  while (count < 32 && !(value & 0x80000000u)) {
    value <<= 1;
    ++count;
  }
  return count;
#endif
}

/* exp(value) as Q0.31, value <= 0 as Q5.26: a Taylor series around -1/8 for the part in
 * [-1/4, 0), times exp(-2^k) for each bit k above. */
static inline int32_t tinyops_exp_on_negative(int32_t value) {
  enum { FRACTION_BITS = 26 };
  const int32_t quarter = (int32_t)1 << 24;
  static const int32_t factors[7] = {1672461947, 1302514674, 790015084, 290630308,
                                     39332535,   720401,     242};
  const int32_t constant = 1895147668; /* exp(-1/8) */
  const int32_t third = 715827883;
  if (value == 0) {
    return INT32_MAX;
  }
  const int32_t within = (value & (quarter - 1)) - quarter;
  const int32_t x = within * 32 + ((int32_t)1 << 28);
  const int32_t x2 = tinyops_high_mul(x, x);
  const int32_t x3 = tinyops_high_mul(x2, x);
  const int32_t x4 = tinyops_high_mul(x2, x2);
  const int32_t tail =
      tinyops_rounding_shift(tinyops_high_mul(tinyops_rounding_shift(x4, 2) + x3, third) + x2, 1);
  int32_t result = constant + tinyops_high_mul(constant, x + tail);
  const int32_t rest = within - value;
  for (int32_t k = 0; k < 7; ++k) {
    if (rest & ((int32_t)1 << (FRACTION_BITS - 2 + k))) {
      result = tinyops_high_mul(result, factors[k]);
    }
  }
  return result;
}

/* 1 / (1 + a), a in [0, 1) as Q0.31, by three Newton steps on Q2.29. */
static inline int32_t tinyops_one_over_one_plus(int32_t a) {
  const int32_t half = (int32_t)(((int64_t)a + INT32_MAX + 1) / 2);
  int32_t x = 1515870810 + tinyops_high_mul(half, -1010580540);
  for (int i = 0; i < 3; ++i) {
    const int32_t rest = ((int32_t)1 << 29) - tinyops_high_mul(half, x);
    x += tinyops_saturating_shift(tinyops_high_mul(x, rest), 2);
  }
  return tinyops_saturating_shift(x, 1);
}

/* What a row's exponentials are multiplied by, and shifted to the right. */
typedef struct {
  int32_t scale; /* 1 / sum, but for a power of two */
  int32_t shift; /* that power, and the place of the output's point */
} tinyops_inverse_sum;

/* For a sum of exponentials as Q12.19, of at least 1, and outputs in 2^-bits. */
static inline tinyops_inverse_sum tinyops_inverse_of_sum(int32_t sum, int32_t bits) {
  const int32_t headroom = tinyops_leading_zeros((uint32_t)sum);
  const uint32_t mantissa = ((uint32_t)sum << headroom) - 0x80000000u;
  const tinyops_inverse_sum found = {tinyops_one_over_one_plus((int32_t)mantissa),
                                     TINYOPS_SUM_INTEGER_BITS - headroom + 31 - bits};
  return found;
}

#endif
