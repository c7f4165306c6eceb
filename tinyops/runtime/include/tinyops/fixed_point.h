/* Fixed-point arithmetic as TensorFlow Lite Micro computes it, rounding twice.
 *
 * A real factor is multiplier * 2^(shift - 31) with multiplier 0 or in [2^30, 2^31). Right shifts
 * of negative numbers are arithmetic, as on every compiler that tinyops supports.
 */
#ifndef TINYOPS_FIXED_POINT_H
#define TINYOPS_FIXED_POINT_H

#include <stdint.h>

/* One copy a file serves all callers: on cores without products of 64 bits it is long. */
#if defined(__ARM_ARCH_6M__) && defined(__GNUC__)
#define TINYOPS_ONCE static __attribute__((noinline, unused))
#else
#define TINYOPS_ONCE static inline
#endif

/* (ab + 2^30) / 2^31, rounded down, from products of 32 bits: for cores that have no others. */
TINYOPS_ONCE int32_t tinyops_high_mul_32(int32_t a, int32_t b) {
  const int32_t a_high = a >> 16, b_high = b >> 16;
  const int32_t a_low = (int32_t)((uint32_t)a & 0xffffu), b_low = (int32_t)((uint32_t)b & 0xffffu);
  const int32_t x =
      a_high * b_low + (int32_t)((uint32_t)a_low * (uint32_t)b_low >> 16); /* times 2^16 */
  const int32_t y = a_low * b_high;
  const int32_t rest =
      (int32_t)((uint32_t)x & 0xffffu) + (int32_t)((uint32_t)y & 0xffffu) + (1 << 14);
  const int32_t upper = a_high * b_high + (x >> 16) + (y >> 16); /* times 2^32 */
  return (int32_t)(((uint32_t)upper << 1) + (uint32_t)(rest >> 15));
}

/* Upper half of 2ab, rounded half away from zero. Not for a == b == INT32_MIN. The sum with 2^30
 * and the shift give exactly that rounding: the half below zero is what the shift's floor takes
 * off. */
static inline int32_t tinyops_high_mul(int32_t a, int32_t b) {
#if defined(__ARM_ARCH_6M__)
  return tinyops_high_mul_32(a, b);
#else
  return (int32_t)(((int64_t)a * b + ((int64_t)1 << 30)) >> 31);
#endif
}

/* value / 2^exponent, rounded half away from zero; exponent in 0..31. */
static inline int32_t tinyops_rounding_shift(int32_t value, int32_t exponent) {
  const uint32_t mask = ((uint32_t)1 << exponent) - 1u;
  const uint32_t threshold = (mask >> 1) + (value < 0 ? 1u : 0u);
  return (value >> exponent) + (((uint32_t)value & mask) > threshold ? 1 : 0);
}

/* value * 2^exponent, wrapping like the interpreter does. */
static inline int32_t tinyops_left_shift(int32_t value, int32_t exponent) {
  return (int32_t)((uint32_t)value << exponent);
}

/* value * factor, rounded twice. */
static inline int32_t tinyops_multiply(int32_t value, int32_t multiplier, int32_t shift) {
  if (shift > 0) {
    return tinyops_high_mul(tinyops_left_shift(value, shift), multiplier);
  }
  return tinyops_rounding_shift(tinyops_high_mul(value, multiplier), -shift);
}

static inline int32_t tinyops_clamp(int32_t value, int32_t low, int32_t high) {
  return value < low ? low : (value > high ? high : value);
}

/* An accumulator as an output value: scaled, moved to the zero point, clamped to low..high. */
static inline int8_t tinyops_requantise(int32_t acc, int32_t multiplier, int32_t shift,
                                        int32_t zero_point, int32_t low, int32_t high) {
  /* The sum wraps instead of overflowing where a file's scales are absurd. */
  const uint32_t scaled = (uint32_t)tinyops_multiply(acc, multiplier, shift);
  return (int8_t)tinyops_clamp((int32_t)(scaled + (uint32_t)zero_point), low, high);
}

#endif
