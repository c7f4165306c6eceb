/* What kernels of int16 activations share. Activations lie around 0: there are no zero points.
 *
 * The interpreter scales by 15 bits of a multiplier, rounding once: (acc * multiplier + half) >> s.
 * The compiler checks that every accumulator has 32 bits and that s is at least 17; half is then a
 * multiple of 2^16, so that the lowest 16 bits of the product can go first and nothing needs 64
 * bits. Layers beyond that take the kernel of wide_sums.h. */
#ifndef TINYOPS_KERNELS_WIDE_H
#define TINYOPS_KERNELS_WIDE_H

#include <stdint.h>

#include "tinyops/fixed_point.h"

/* (acc * multiplier) >> 16, for a multiplier in 0..2^15. */
static inline int32_t tinyops_wide_high(int32_t acc, int32_t multiplier) {
  const uint32_t low = ((uint32_t)acc & 0xffffu) * (uint32_t)multiplier;
  return (acc >> 16) * multiplier + (int32_t)(low >> 16);
}

/* An accumulator as an output value; `shift` is s - 16, in 1..30. */
static inline int16_t tinyops_requantise_wide(int32_t acc, int32_t multiplier, int32_t shift,
                                              int32_t low, int32_t high) {
  const int32_t half = (int32_t)1 << (shift - 1);
  return (int16_t)tinyops_clamp((tinyops_wide_high(acc, multiplier) + half) >> shift, low, high);
}

#endif
