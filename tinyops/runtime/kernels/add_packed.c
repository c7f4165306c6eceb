#include "tinyops/kernels/add_packed.h"

#include "tinyops/kernels/lanes.h"

enum { TOGETHER = TINYOPS_V6M ? 32 : 4 }; /* values at a time */

/* value on the operand's common scale. */
static inline int32_t scaled(const tinyops_add_packed_operand *o, int32_t value) {
  const int32_t doubled = tinyops_left_shift(value + o->offset, o->left);
  const int32_t x = tinyops_packed_high_mul(doubled, o->multiplier);
  return (x + (x >> 31) + (1 << (o->shift - 1))) >> o->shift;
}

/* sums += as many values of one operand on the common scale. */
#if TINYOPS_V6M
static TINYOPS_APART void add_some(const tinyops_add_packed_operand *o, const int8_t *values,
                                   int32_t sums[TOGETHER]) {
  /* Nine bits times halves of the multiplier, which is doubled where `left` is. A shift's last bit
   * is the carry, by which ADCS rounds. */
  const uint32_t multiplier = (uint32_t)o->multiplier << (o->left - 21);
  register int32_t r2 __asm__("r2") = (int32_t)(multiplier & 0xffffu);
  register int32_t r3 __asm__("r3") = (int32_t)(multiplier >> 16);
  register int32_t r4 __asm__("r4") = o->shift;
  register int32_t r5 __asm__("r5") = o->offset;
  register const int8_t *r6 __asm__("r6") = values + TOGETHER;
  register int32_t *r1 __asm__("r1") = sums;
  __asm__ volatile(
      ".syntax unified\n\t"
      "push {r7}\n\t" /* r7 may be the frame pointer: saved by hand */
      "mov r8, r5\n\t"
      "mov r9, r1\n\t"
      "movs r7, %[together]\n\t"
      "negs r7, r7\n"
      "1:\n\t"
      "ldrsb r0, [r6, r7]\n\t"
      "add r0, r8\n\t"
      "movs r1, r0\n\t"
      "muls r1, r2, r1\n\t"
      "muls r0, r3, r0\n\t"
      "lsls r0, r0, #5\n\t"
      "asrs r1, r1, #11\n\t"
      "adcs r0, r1\n\t"
      "asrs r1, r0, #31\n\t"
      "adds r0, r0, r1\n\t"
      "mov r1, r9\n\t"
      "ldr r5, [r1]\n\t"
      "asrs r0, r4\n\t"
      "adcs r5, r0\n\t"
      "stmia r1!, {r5}\n\t"
      "mov r9, r1\n\t"
      "adds r7, #1\n\t"
      "bne 1b\n\t"
      "pop {r7}"
      : "+r"(r1), "+r"(r5)
      : "r"(r2), "r"(r3), "r"(r4), "r"(r6), [together] "i"(TOGETHER)
      : "r0", "r8", "r9", "cc", "memory");
}
#else
static inline void add_some(const tinyops_add_packed_operand *o, const int8_t *values,
                            int32_t sums[TOGETHER]) {
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
  for (int32_t i = 0; i < TOGETHER; ++i) {
    sums[i] += scaled(o, values[i]);
  }
#endif
}
#endif

/* As many sums as output values. */
#if TINYOPS_V6M
static TINYOPS_APART void requantise_some(const tinyops_packed_factor *f, int32_t zero_point,
                                          const int32_t *sums, int8_t *output) {
  register const int32_t *r3 __asm__("r3") = sums;
  register int32_t r4 __asm__("r4") = f->multiplier & 0xffff;
  register int32_t r5 __asm__("r5") = f->multiplier >> 16;
  register int32_t r6 __asm__("r6") = zero_point + 128;
  register int32_t r2 __asm__("r2") = f->shift;
  register const int32_t *r0 __asm__("r0") = sums + TOGETHER;
  register int8_t *r1 __asm__("r1") = output;
  __asm__ volatile(
      ".syntax unified\n\t"
      "push {r7}\n\t" /* r7 may be the frame pointer: saved by hand */
      "mov r7, r2\n\t"
      "mov r8, r1\n\t"
      "mov r9, r0\n"
      "1:\n\t"
      "ldmia r3!, {r0}\n\t" TINYOPS_LANES_REQUANTISE
      "mov r1, r8\n\t"
      "strb r0, [r1]\n\t"
      "adds r1, #1\n\t"
      "mov r8, r1\n\t"
      "cmp r3, r9\n\t"
      "bne 1b\n\t"
      "pop {r7}"
      : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
      : "r"(r4), "r"(r5), "r"(r6)
      : "r8", "r9", "cc", "memory");
}
#else
static inline void requantise_some(const tinyops_packed_factor *f, int32_t zero_point,
                                   const int32_t *sums, int8_t *output) {
  (void)zero_point; /* is part of the factor's nudge */
  for (int32_t i = 0; i < TOGETHER; ++i) {
    output[i] = tinyops_packed_requantise(sums[i], *f);
  }
}
#endif

void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *a, const int8_t *b,
                        int8_t *output) {
  const tinyops_packed_factor f =
      tinyops_packed_factor_of(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
  int32_t i = 0;
  for (; i + TOGETHER <= p->count; i += TOGETHER) {
    int32_t sums[TOGETHER] = {0};
    add_some(&p->a, a + i, sums);
    add_some(&p->b, b + i, sums);
    requantise_some(&f, p->output_zero_point, sums, output + i);
  }
  for (; i < p->count; ++i) {
    output[i] = tinyops_packed_requantise(scaled(&p->a, a[i]) + scaled(&p->b, b[i]), f);
  }
  tinyops_packed_clamp(output, p->count, p->min, p->max);
}
