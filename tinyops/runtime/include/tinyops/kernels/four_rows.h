/* Inner products of a vector with four rows of weights at once, for cores with the DSP extension.
 */
#ifndef TINYOPS_KERNELS_FOUR_ROWS_H
#define TINYOPS_KERNELS_FOUR_ROWS_H

#include <stdint.h>
#include <string.h>

#include "tinyops/kernels/packed.h"

/* acc (4) += `count` values, a multiple of 8 above 0, times the weights of four rows, a word of
 * each in turn. Returns the weights behind them. */
static inline const int32_t *tinyops_multiply_four(const int8_t *x, const int32_t *w, int32_t count,
                                                   int32_t acc[4]) {
#if TINYOPS_DSP
  register int32_t r0 __asm__("r0") = acc[0];
  register int32_t r1 __asm__("r1") = acc[1];
  register int32_t r2 __asm__("r2") = acc[2];
  register int32_t r3 __asm__("r3") = acc[3];
  register const int8_t *r4 __asm__("r4") = x;
  register const int32_t *r5 __asm__("r5") = w;
  register const int8_t *r6 __asm__("r6") = x + count;
#define OUTPUT(acc, w)           \
  "sxtb16 r12, " w               \
  "\n\t"                         \
  "smlad " acc ", r7, r12, " acc \
  "\n\t"                         \
  "sxtb16 " w ", " w             \
  ", ror #8\n\t"                 \
  "smlad " acc ", lr, " w ", " acc "\n\t"
#define STEP                                                                    \
  "ldr r7, [r4], #4\n\t"                                                        \
  "ldmia r5!, {r8, r9, r10, r11}\n\t"                                           \
  "sxtb16 lr, r7, ror #8\n\t"                                                   \
  "sxtb16 r7, r7\n\t" OUTPUT("r0", "r8") OUTPUT("r1", "r9") OUTPUT("r2", "r10") \
      OUTPUT("r3", "r11")
  /* r7 is saved by hand: builds without optimisation use it as frame pointer. */
  __asm__ volatile("push {r7}\n1:\n\t" STEP STEP
                   "cmp r4, r6\n\t"
                   "bne 1b\n\t"
                   "pop {r7}"
                   : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4), "+r"(r5)
                   : "r"(r6)
                   : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef STEP
#undef OUTPUT
  acc[0] = r0;
  acc[1] = r1;
  acc[2] = r2;
  acc[3] = r3;
  return r5;
#else
  for (int32_t i = 0; i < count; i += 4, w += 4) {
    for (int32_t output = 0; output < 4; ++output) {
      int8_t value[4];
      memcpy(value, &w[output], 4);
      for (int32_t k = 0; k < 4; ++k) {
        acc[output] += x[i + k] * value[k];
      }
    }
  }
  return w;
#endif
}

/* What is left of `count` values beyond the last eight, zeros behind it. */
static inline void tinyops_rest_of(const int8_t *x, int32_t count, int8_t rest[8]) {
  const int32_t whole = count & -8;
  memset(rest, 0, 8);
  for (int32_t i = whole; i < count; ++i) {
    rest[i - whole] = x[i];
  }
}

/* As tinyops_multiply_four for any `count`, whose rest is `rest` and whose rows are filled up. */
static inline const int32_t *tinyops_dot_four(const int8_t *x, const int8_t rest[8],
                                              const int32_t *w, int32_t count, int32_t acc[4]) {
  const int32_t whole = count & -8;
  if (whole > 0) {
    w = tinyops_multiply_four(x, w, whole, acc);
  }
  return whole < count ? tinyops_multiply_four(rest, w, 8, acc) : w;
}

#endif
