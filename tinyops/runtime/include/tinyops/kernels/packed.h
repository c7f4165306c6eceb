/* What the kernels for cores with the DSP extension share: Cortex-M4, M7, M33.
 *
 * Values are multiplied two at a time (SMLAD). Four int8 in a word, v0 in the lowest byte, become
 * two words of two int16: even (v0, v2) and odd (v1, v3); with both operands in that order nothing
 * needs to be shuffled. Beside each assembly block stands plain C that computes the same, which is
 * what other machines run in tests.
 */
#ifndef TINYOPS_KERNELS_PACKED_H
#define TINYOPS_KERNELS_PACKED_H

#include <stdint.h>
#include <string.h>

#include "tinyops/fixed_point.h"

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP && defined(__thumb2__)
#define TINYOPS_DSP 1
#include <arm_acle.h>
#else
#define TINYOPS_DSP 0
#endif

/* Cores without it, and without products of 64 bits: Cortex-M0 and M0+. */
#if defined(__ARM_ARCH_6M__)
#define TINYOPS_V6M 1
#else
#define TINYOPS_V6M 0
#endif

/* A function that is better off with registers of its own. */
#if defined(__GNUC__)
#define TINYOPS_APART __attribute__((noinline))
#else
#define TINYOPS_APART
#endif

/* From accumulator to output, per channel: multiplier in [2^30, 2^31) or 0, and a right shift in
 * 1..22. Accumulators stay below 2^30 in magnitude, on cores without 64-bit products below 2^29.
 * The compiler checks both. */
typedef struct {
  int32_t multiplier;
  int32_t nudge; /* what half a step and the output's zero point are before the shift */
  int32_t shift;
} tinyops_packed_factor;

/* `bias_step` is 2 * output zero point + 1. */
static inline tinyops_packed_factor tinyops_packed_factor_of(int32_t multiplier, int32_t shift,
                                                             int32_t bias_step) {
  const tinyops_packed_factor f = {multiplier, tinyops_left_shift(bias_step, shift - 1), shift};
  return f;
}

/* tinyops_packed_high_mul from products of 32 bits, for doubled accumulators up to 2^30 in
 * magnitude. */
static inline int32_t tinyops_packed_high_mul_32(int32_t doubled, int32_t multiplier) {
  const int32_t low = (int16_t)(uint16_t)doubled, high = (doubled - low) >> 16;
  const int32_t m_low = (int32_t)((uint32_t)multiplier & 0xffffu), m_high = multiplier >> 16;
  const int32_t middle = high * m_low + low * m_high + (low * m_low >> 16);
  return high * m_high + ((middle + ((int32_t)1 << 15)) >> 16);
}

/* tinyops_high_mul(doubled / 2, multiplier). */
static inline int32_t tinyops_packed_high_mul(int32_t doubled, int32_t multiplier) {
#if TINYOPS_DSP
  int32_t x;
  __asm__("smmulr %0, %1, %2" : "=r"(x) : "r"(doubled), "r"(multiplier));
  return x;
#elif TINYOPS_V6M
  return tinyops_packed_high_mul_32(doubled, multiplier);
#else
  return (int32_t)(((int64_t)doubled * multiplier + ((int64_t)1 << 31)) >> 32);
#endif
}

/* Same as tinyops_requantise of half of `doubled`, for -128..127: adding the sign before the
 * rounding shift rounds halves away from zero. */
static inline int8_t tinyops_packed_requantise_doubled(int32_t doubled, tinyops_packed_factor f) {
  int32_t x = tinyops_packed_high_mul(doubled, f.multiplier);
  x = (x + (x >> 31) + f.nudge) >> f.shift;
#if TINYOPS_DSP
  __asm__("ssat %0, #8, %1" : "=r"(x) : "r"(x));
  return (int8_t)x;
#else
  return (int8_t)tinyops_clamp(x, INT8_MIN, INT8_MAX);
#endif
}

/* Same as tinyops_requantise for -128..127, in six instructions. */
static inline int8_t tinyops_packed_requantise(int32_t acc, tinyops_packed_factor f) {
  return tinyops_packed_requantise_doubled(acc * 2, f);
}

/* The rare fused activation that is not all of int8. */
static inline void tinyops_packed_clamp(int8_t *values, int32_t count, int32_t low, int32_t high) {
  if (low > INT8_MIN || high < INT8_MAX) {
    for (int32_t i = 0; i < count; ++i) {
      values[i] = (int8_t)tinyops_clamp(values[i], low, high);
    }
  }
}

/* Two int16 in a word. */
static inline uint32_t tinyops_pair(int32_t low, int32_t high) {
  return ((uint32_t)low & 0xffffu) | ((uint32_t)high << 16);
}

/* Four int8 at any address as even and odd words at to[0] and to[1]. */
static inline void tinyops_expand_4(const int8_t *from, uint32_t *to) {
#if TINYOPS_DSP
  uint32_t word, odd;
  memcpy(&word, from, 4);
  __asm__("sxtb16 %0, %1, ror #8" : "=r"(odd) : "r"(word));
  __asm__("sxtb16 %0, %1" : "=r"(word) : "r"(word));
  to[0] = word;
  to[1] = odd;
#else
  to[0] = tinyops_pair(from[0], from[2]);
  to[1] = tinyops_pair(from[1], from[3]);
#endif
}

#endif
