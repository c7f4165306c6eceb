#include "tinyops/kernels/fully_connected_eights.h"

#include "tinyops/kernels/dot.h"
#include "tinyops/kernels/lanes.h"

enum { OUTPUTS = 8 };

/* sums (8) of `count` values plus 128, count above 0, times eight outputs' weights plus 128.
 * Returns the next eight outputs' weights. */
static TINYOPS_APART const int32_t *multiply_eight(const int8_t *x, int32_t count, const int32_t *w,
                                                   uint32_t sums[OUTPUTS]) {
#if TINYOPS_V6M
  register const int8_t *r0 __asm__("r0") = x + count;
  register int32_t r1 __asm__("r1") = -count;
  register const int32_t *r2 __asm__("r2") = w;
  register uint32_t *r3 __asm__("r3") = sums;
/* Sums of a word's products, and of what shifts to the right leave of it. */
#define PRODUCTS(a, b, c, d) \
  "ldmia r2!, {r4}\n\t"      \
  "lsrs r5, r4, #8\n\t"      \
  "muls r5, r3, r5\n\t"      \
  "add " b                   \
  ", r5\n\t"                 \
  "lsrs r5, r4, #16\n\t"     \
  "muls r5, r3, r5\n\t"      \
  "add " c                   \
  ", r5\n\t"                 \
  "lsrs r5, r4, #24\n\t"     \
  "muls r5, r3, r5\n\t"      \
  "add " d                   \
  ", r5\n\t"                 \
  "muls r4, r3, r4\n\t"      \
  "add " a ", r4\n\t"
  __asm__ volatile(
      ".syntax unified\n\t"
      "push {r3, r7}\n\t" /* r7 may be the frame pointer: saved by hand */
      "movs r6, #0\n\t"
      "movs r7, #0\n\t"
      "mov r8, r7\n\t"
      "mov r9, r7\n\t"
      "mov r10, r7\n\t"
      "mov r11, r7\n\t"
      "mov r12, r7\n\t"
      "mov lr, r7\n"
      "1:\n\t"
      "ldrsb r3, [r0, r1]\n\t"
      "adds r3, #128\n\t"
      "beq 2f\n\t" /* what activations cut off is often nothing to multiply */
      PRODUCTS("r6", "r7", "r8", "r9") PRODUCTS("r10", "r11", "r12", "lr")
      "adds r1, #1\n\t"
      "bne 1b\n\t"
      "b 3f\n"
      "2:\n\t"
      "adds r2, #8\n\t"
      "adds r1, #1\n\t"
      "bne 1b\n"
      "3:\n\t"
      "pop {r3}\n\t"
      "stmia r3!, {r6, r7}\n\t"
      "mov r4, r8\n\t"
      "mov r5, r9\n\t"
      "mov r6, r10\n\t"
      "mov r7, r11\n\t"
      "stmia r3!, {r4, r5, r6, r7}\n\t"
      "mov r4, r12\n\t"
      "mov r5, lr\n\t"
      "stmia r3!, {r4, r5}\n\t"
      "pop {r7}"
      : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
      :
      : "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef PRODUCTS
  /* A word is its lowest byte and 2^8 times the rest. */
  for (int32_t i = 0; i < OUTPUTS; ++i) {
    if (i % 4 != 3) {
      sums[i] -= sums[i + 1] << 8;
    }
  }
  return r2;
#else
  for (int32_t k = 0; k < OUTPUTS; ++k) {
    sums[k] = 0;
  }
  for (int32_t i = 0; i < count; ++i, w += 2) {
    for (int32_t k = 0; k < OUTPUTS; ++k) {
      sums[k] += (uint32_t)(x[i] + 128) * ((uint32_t)w[k / 4] >> k % 4 * 8 & 0xffu);
    }
  }
  return w;
#endif
}

void tinyops_fully_connected_eights(const tinyops_fully_connected_eights_params *p,
                                    const int8_t *input, const int32_t *weights,
                                    const int32_t *bias, const int32_t *multiplier,
                                    const int8_t *shift, int8_t *output) {
  const int32_t bias_step = 2 * p->output_zero_point + 1;
  for (int32_t row = 0; row < p->rows; ++row, input += p->inputs, output += p->outputs) {
    const uint32_t added = 128u * (uint32_t)(tinyops_sum(input, p->inputs) + 128 * p->inputs);
    const int32_t *w = weights;
    for (int32_t first = 0; first < p->outputs; first += OUTPUTS) {
      const int32_t end = first + OUTPUTS < p->outputs ? first + OUTPUTS : p->outputs;
      uint32_t sums[OUTPUTS];
      w = multiply_eight(input, p->inputs, w, sums);
      for (int32_t i = first; i < end; ++i) {
        const int32_t acc = (int32_t)(sums[i - first] - added + (uint32_t)bias[i]);
        const int32_t k = i * p->channel_step;
        output[i] = tinyops_packed_requantise(
            acc, tinyops_packed_factor_of(multiplier[k], shift[k], bias_step));
      }
    }
    tinyops_packed_clamp(output, p->outputs, p->min, p->max);
  }
}
