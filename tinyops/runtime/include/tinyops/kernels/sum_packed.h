/* How the packed addition and subtraction go through a row. */
#ifndef TINYOPS_KERNELS_SUM_PACKED_H
#define TINYOPS_KERNELS_SUM_PACKED_H

#include "tinyops/kernels/add_packed.h"
#include "tinyops/kernels/packed.h"

/* A value of the exact operand is shifted this far: 20 bits to spare, halved, and the whole sum
 * doubled, since the multiplication that follows halves. */
enum { TINYOPS_EXACT_LEFT = 20 };

/* Whether operands are added or taken off: known to the compiler at every call. */
typedef enum { TINYOPS_SUM, TINYOPS_EXACT_FIRST, TINYOPS_OTHER_FIRST } tinyops_sum_kind;

/* value on the other operand's common scale. */
static inline int32_t tinyops_packed_on_scale(const tinyops_add_packed_operand *o, int32_t value) {
  const int32_t doubled = tinyops_left_shift(value, o->left) + o->offset;
  const int32_t x = tinyops_packed_high_mul(doubled, o->multiplier);
  return (x + (x >> 31) + ((int32_t)1 << (o->shift - 1))) >> o->shift;
}

/* Twice the sum of `base` and of a value of each operand. */
static inline int32_t tinyops_packed_sum_one(const tinyops_add_packed_operand *o, int32_t base,
                                             int32_t exact, int32_t other, tinyops_sum_kind kind) {
  const int32_t x = tinyops_left_shift(exact, TINYOPS_EXACT_LEFT);
  const int32_t y = 2 * tinyops_packed_on_scale(o, other);
  return base + (kind == TINYOPS_OTHER_FIRST ? -x : x) + (kind == TINYOPS_EXACT_FIRST ? -y : y);
}

/* As tinyops_packed_sum_one, of four values each. */
static inline void tinyops_packed_sum_four(const tinyops_add_packed_operand *o, int32_t base,
                                           const int8_t *exact, const int8_t *other,
                                           int32_t sums[4], tinyops_sum_kind kind) {
#if TINYOPS_DSP
  int32_t offset, left, multiplier, shift, nudge, x;
#define SUM_ONE(at, sum, of_exact, of_other)               \
  "ldrsb %[x], [%[exact], #" at "]\n\t" of_exact " %[" sum \
  "], %[base], %[x], lsl #20\n\t"                          \
  "ldrsb %[x], [%[other], #" at                            \
  "]\n\t"                                                  \
  "lsl %[x], %[left]\n\t"                                  \
  "add %[x], %[offset]\n\t"                                \
  "smmulr %[x], %[x], %[multiplier]\n\t"                   \
  "add %[x], %[x], %[x], asr #31\n\t"                      \
  "add %[x], %[nudge]\n\t"                                 \
  "asr %[x], %[shift]\n\t" of_other " %[" sum "], %[" sum "], %[x], lsl #1\n\t"
#define SUM_FOUR(of_exact, of_other)                                                        \
  __asm__ volatile(                                                                         \
      "ldrd %[offset], %[left], [%[o]]\n\t"                                                 \
      "ldrd %[multiplier], %[shift], [%[o], #8]\n\t"                                        \
      "sub %[x], %[shift], #1\n\t"                                                          \
      "mov %[nudge], #1\n\t"                                                                \
      "lsl %[nudge], %[x]\n\t" SUM_ONE("0", "s0", of_exact, of_other)                       \
          SUM_ONE("1", "s1", of_exact, of_other) SUM_ONE("2", "s2", of_exact, of_other)     \
              SUM_ONE("3", "s3", of_exact, of_other)                                        \
      : [s0] "=&r"(sums[0]), [s1] "=&r"(sums[1]), [s2] "=&r"(sums[2]), [s3] "=&r"(sums[3]), \
        [offset] "=&r"(offset), [left] "=&r"(left), [multiplier] "=&r"(multiplier),         \
        [shift] "=&r"(shift), [nudge] "=&r"(nudge), [x] "=&r"(x)                            \
      : [o] "r"(o), [exact] "r"(exact), [other] "r"(other), [base] "r"(base)                \
      : "memory")
  if (kind == TINYOPS_SUM) {
    SUM_FOUR("add", "add");
  } else if (kind == TINYOPS_EXACT_FIRST) {
    SUM_FOUR("add", "sub");
  } else {
    SUM_FOUR("sub", "add");
  }
#undef SUM_FOUR
#undef SUM_ONE
#else
  for (int32_t i = 0; i < 4; ++i) {
    sums[i] = tinyops_packed_sum_one(o, base, exact[i], other[i], kind);
  }
#endif
}

/* Four values that are one, where an operand does not move. */
static inline const int8_t *tinyops_packed_spread(const int8_t *from, int32_t step, int8_t to[4]) {
  return step ? from : (const int8_t *)memset(to, *from, 4);
}

static inline void tinyops_packed_sum_row(const tinyops_add_packed_params *p, const int8_t *exact,
                                          const int8_t *other, int8_t *output,
                                          tinyops_sum_kind kind) {
  const int32_t count = p->shape.extent[3];
  const int32_t exact_step = p->shape.a_step[3], other_step = p->shape.b_step[3];
  const tinyops_packed_factor f =
      tinyops_packed_factor_of(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
  const int32_t offset = kind == TINYOPS_OTHER_FIRST ? -p->exact_offset : p->exact_offset;
  const int32_t base = tinyops_left_shift(offset, TINYOPS_EXACT_LEFT);
  const int32_t exact_steps = exact_step * 4, other_steps = other_step * 4;
  int8_t one_exact[4], one_other[4];
  exact = tinyops_packed_spread(exact, exact_step, one_exact);
  other = tinyops_packed_spread(other, other_step, one_other);
  int8_t *to = output, *const end = output + count;
  for (; end - to >= 4; to += 4, exact += exact_steps, other += other_steps) {
    int32_t sums[4];
    tinyops_packed_sum_four(&p->other, base, exact, other, sums, kind);
    to[0] = tinyops_packed_requantise_doubled(sums[0], f);
    to[1] = tinyops_packed_requantise_doubled(sums[1], f);
    to[2] = tinyops_packed_requantise_doubled(sums[2], f);
    to[3] = tinyops_packed_requantise_doubled(sums[3], f);
  }
  for (; to != end; ++to, exact += exact_step, other += other_step) {
    const int32_t sum = tinyops_packed_sum_one(&p->other, base, *exact, *other, kind);
    *to = tinyops_packed_requantise_doubled(sum, f);
  }
  tinyops_packed_clamp(output, count, p->min, p->max);
}

#endif
