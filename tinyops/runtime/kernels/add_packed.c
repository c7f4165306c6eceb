#include "tinyops/kernels/add_packed.h"

#include "tinyops/kernels/packed.h"

/* value on the operand's common scale. */
static inline int32_t scaled(const tinyops_add_packed_operand *o, int32_t value) {
#if TINYOPS_V6M
  /* The halves of the multiplier times 9 bits, of which the upper needs no rounding. */
  const int32_t v = value + o->offset;
  const int32_t low = (int32_t)((uint32_t)o->multiplier & 0xffffu);
  const int32_t upper = tinyops_left_shift(v * (o->multiplier >> 16), o->left - 16);
  const int32_t x = upper + ((v * low + (1 << (31 - o->left))) >> (32 - o->left));
#else
  const int32_t doubled = tinyops_left_shift(value + o->offset, o->left);
  const int32_t x = tinyops_packed_high_mul(doubled, o->multiplier);
#endif
  return (x + (x >> 31) + (1 << (o->shift - 1))) >> o->shift;
}

/* sums (4) += four values of one operand on the common scale. */
static inline void add_four(const tinyops_add_packed_operand *o, const int8_t *values,
                            int32_t sums[4]) {
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
    sums[i] += scaled(o, values[i]);
  }
#endif
}

void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *a, const int8_t *b,
                        int8_t *output) {
  const tinyops_packed_factor f =
      tinyops_packed_factor_of(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
  int32_t i = 0;
  for (; i + 4 <= p->count; i += 4) {
    int32_t sums[4] = {0};
    add_four(&p->a, a + i, sums);
    add_four(&p->b, b + i, sums);
    for (int32_t k = 0; k < 4; ++k) {
      output[i + k] = tinyops_packed_requantise(sums[k], f);
    }
  }
  for (; i < p->count; ++i) {
    output[i] = tinyops_packed_requantise(scaled(&p->a, a[i]) + scaled(&p->b, b[i]), f);
  }
  tinyops_packed_clamp(output, p->count, p->min, p->max);
}
