#include "tinyops/kernels/fully_connected_packed.h"

#include "tinyops/kernels/packed.h"

/* acc (4) += `count` values, a multiple of 8 above 0, times four outputs' weights. */
static inline const int32_t *multiply_four(const int8_t *x, const int32_t *w, int32_t count,
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

/* Four outputs, or what is left of them, of one input vector. `rest` are the values beyond the last
 * eight, zeros behind them. Returns the next outputs' weights. */
static inline const int32_t *four_outputs(const tinyops_fully_connected_packed_params *p,
                                          const int8_t *input, const int8_t rest[8],
                                          const int32_t *w, const int32_t *bias,
                                          const int32_t *multiplier, const int8_t *shift,
                                          int32_t count, int8_t *output) {
  const int32_t bias_step = 2 * p->output_zero_point + 1;
  const int32_t whole = p->inputs & -8;
  int32_t acc[4] = {0};
  if (count == 4) {
    memcpy(acc, bias, sizeof acc);
  } else {
    for (int32_t k = 0; k < count; ++k) {
      acc[k] = bias[k];
    }
  }
  if (whole > 0) {
    w = multiply_four(input, w, whole, acc);
  }
  if (whole < p->inputs) {
    w = multiply_four(rest, w, 8, acc);
  }
  for (int32_t k = 0; k < count; ++k) {
    output[k] =
        tinyops_packed_requantise(acc[k], tinyops_packed_factor_of(*multiplier, *shift, bias_step));
    multiplier += p->channel_step;
    shift += p->channel_step;
  }
  return w;
}

void tinyops_fully_connected_packed(const tinyops_fully_connected_packed_params *p,
                                    const int8_t *input, const int32_t *weights,
                                    const int32_t *bias, const int32_t *multiplier,
                                    const int8_t *shift, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->inputs, output += p->outputs) {
    const int32_t whole = p->inputs & -8;
    int8_t rest[8] = {0};
    for (int32_t i = whole; i < p->inputs; ++i) {
      rest[i - whole] = input[i];
    }
    const int32_t *w = weights;
    int32_t i = 0;
    for (; i + 4 <= p->outputs; i += 4) {
      const int32_t at = i * p->channel_step;
      w = four_outputs(p, input, rest, w, bias + i, multiplier + at, shift + at, 4, output + i);
    }
    if (i < p->outputs) {
      const int32_t at = i * p->channel_step;
      four_outputs(p, input, rest, w, bias + i, multiplier + at, shift + at, p->outputs - i,
                   output + i);
    }
    tinyops_packed_clamp(output, p->outputs, p->min, p->max);
  }
}
