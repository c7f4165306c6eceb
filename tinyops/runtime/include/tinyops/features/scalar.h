/* Scalar functions of features, in integers: the same result on every machine. */
#ifndef TINYOPS_FEATURES_SCALAR_H
#define TINYOPS_FEATURES_SCALAR_H

#include <stdint.h>

#include "tinyops/internal.h"

#define TINYOPS_LOG_UNITS 512 /* logarithms count 512 to the octave: 0.00588 dB of power */
#define TINYOPS_LOG_TABLE 65  /* entries of the table of log2 */

/* a * w / 2^16, rounded down. Cores with the DSP extension have an instruction for it; those
 * without a 64-bit product take the two halves of `a` apart. All three give the same. */
static inline int32_t tinyops_scale_by(int32_t a, int32_t w) {
#if defined(__ARM_FEATURE_DSP) && defined(__GNUC__)
  int32_t result;
  __asm__("smulwb %0, %1, %2" : "=r"(result) : "r"(a), "r"(w));
  return result;
#elif defined(__ARM_ARCH_6M__)
  return (a >> 16) * w + (((int32_t)((uint32_t)a & 0xffffu) * w) >> 16);
#else
  return (int32_t)(((int64_t)a * w) >> 16);
#endif
}

static inline int16_t tinyops_saturate16(int32_t value) {
  return (int16_t)(value < INT16_MIN ? INT16_MIN : (value > INT16_MAX ? INT16_MAX : value));
}

/* Zero bits above the highest set bit; 32 for 0. */
TINYOPS_INTERNAL int32_t tinyops_leading_zeros(uint32_t value);

/* log2(value) in TINYOPS_LOG_UNITS, within one unit; 0 for 0. `table` holds log2(1 + i/64) * 2^15.
 */
TINYOPS_INTERNAL int32_t tinyops_log2(uint64_t value, const uint16_t *table);

/* The square root, rounded down. */
TINYOPS_INTERNAL uint32_t tinyops_root(uint64_t value);

#endif
