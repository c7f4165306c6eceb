/* How the packed addition and subtraction bring operands to a common scale. */
#ifndef TINYOPS_KERNELS_SUM_PACKED_H
#define TINYOPS_KERNELS_SUM_PACKED_H

#include "tinyops/kernels/add_packed.h"
#include "tinyops/kernels/packed.h"

/* value on the operand's common scale. */
static inline int32_t tinyops_packed_on_scale(const tinyops_add_packed_operand *o, int32_t value) {
  const int32_t doubled = tinyops_left_shift(value + o->offset, o->left);
  const int32_t x = tinyops_packed_high_mul(doubled, o->multiplier);
  return (x + (x >> 31) + ((int32_t)1 << (o->shift - 1))) >> o->shift;
}

/* sums (4) += four values of one operand on the common scale. */
static inline void tinyops_packed_add_four(const tinyops_add_packed_operand *o,
                                           const int8_t *values, int32_t sums[4]) {
#if TINYOPS_DSP
  int32_t offset, left, multiplier, shift, nudge, x;
#define ADD_ONE(at, sum)                 \
  "ldrsb %[x], [%[values], #" at         \
  "]\n\t"                                \
  "add %[x], %[offset]\n\t"              \
  "lsl %[x], %[left]\n\t"                \
  "smmulr %[x], %[x], %[multiplier]\n\t" \
  "add %[x], %[x], %[x], asr #31\n\t"    \
  "add %[x], %[nudge]\n\t"               \
  "asr %[x], %[shift]\n\t"               \
  "add %[" sum "], %[x]\n\t"
  __asm__ volatile(
      "ldrd %[offset], %[left], [%[o]]\n\t"
      "ldrd %[multiplier], %[shift], [%[o], #8]\n\t"
      "sub %[x], %[shift], #1\n\t"
      "mov %[nudge], #1\n\t"
      "lsl %[nudge], %[x]\n\t" ADD_ONE("0", "s0") ADD_ONE("1", "s1") ADD_ONE("2", "s2")
          ADD_ONE("3", "s3")
      : [s0] "+r"(sums[0]), [s1] "+r"(sums[1]), [s2] "+r"(sums[2]), [s3] "+r"(sums[3]),
        [offset] "=&r"(offset), [left] "=&r"(left), [multiplier] "=&r"(multiplier),
        [shift] "=&r"(shift), [nudge] "=&r"(nudge), [x] "=&r"(x)
      : [o] "r"(o), [values] "r"(values)
      : "memory");
#undef ADD_ONE
#else
  for (int32_t i = 0; i < 4; ++i) {
    sums[i] += tinyops_packed_on_scale(o, values[i]);
  }
#endif
}

#endif
