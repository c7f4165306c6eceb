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
#include "tinyops/kernels/packed.h"

/* (acc * multiplier) >> 16, for a multiplier in 0..2^15 - 1. */
static inline int32_t tinyops_wide_high(int32_t acc, int32_t multiplier) {
#if TINYOPS_DSP
  int32_t x;
  __asm__("smulwb %0, %1, %2" : "=r"(x) : "r"(acc), "r"(multiplier));
  return x;
#else
  const uint32_t low = ((uint32_t)acc & 0xffffu) * (uint32_t)multiplier;
  return (acc >> 16) * multiplier + (int32_t)(low >> 16);
#endif
}

/* An accumulator as an output value; `shift` is s - 17, in 0..29: the last place is rounded. */
static inline int16_t tinyops_requantise_wide(int32_t acc, int32_t multiplier, int32_t shift,
                                              int32_t low, int32_t high) {
  const int32_t doubled = tinyops_wide_high(acc, multiplier) >> shift;
  return (int16_t)tinyops_clamp((doubled + 1) >> 1, low, high);
}

#endif
