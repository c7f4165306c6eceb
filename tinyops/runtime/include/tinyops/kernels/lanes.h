/* What the kernels for cores without the DSP extension share: Cortex-M0 and M0+ (ARMv6-M).
 *
 * There, one multiplication is 32 x 32 -> 32 bits. Two activations of one place in two windows lie
 * in a word, `low + high * 2^16`; a product with a weight is then two products, and a sum of such
 * words two sums, for as long as each sum stays within 16 bits. How many products that are is known
 * when the model is compiled, since weights are constants: after so many, a block, the sums are
 * taken out of their lanes and added up in 32 bits. Beside each assembly block stands plain C that
 * computes the same, which is what other machines run in tests.
 */
#ifndef TINYOPS_KERNELS_LANES_H
#define TINYOPS_KERNELS_LANES_H

#include <stdint.h>

#include "tinyops/kernels/packed.h"

/* What a kernel reads of a channel's constants: `shifts` hold the right shift times 8 plus the
 * block's code, 0 where all weights are 0, else 1..4 for blocks of 2, 4, 8, 16 products. */
enum { TINYOPS_LANES_CODE_BITS = 3 };

/* Two activations as one word. */
static inline uint32_t tinyops_lanes_of(int32_t low, int32_t high) {
  return (uint32_t)low + ((uint32_t)high << 16);
}

static inline int32_t tinyops_lanes_low(uint32_t word) { return (int16_t)(uint16_t)word; }

static inline int32_t tinyops_lanes_high(uint32_t word) {
  return (int16_t)(uint16_t)((word - (uint32_t)tinyops_lanes_low(word)) >> 16);
}

/* The lowest byte of r0 - 128 becomes what r0 is between -128 and 127, r0 counted from -128. */
#define TINYOPS_LANES_CLAMP \
  "cmp r0, #255\n\t"        \
  "bls 99f\n\t"             \
  "asrs r0, r0, #31\n\t"    \
  "mvns r0, r0\n"           \
  "99:\n\t"                 \
  "subs r0, #128\n\t"

/* tinyops_packed_requantise of r0 into its lowest byte, for |r0| < 2^29; r1 and r2 are lost. r4,
 * r5: lower and upper half of the multiplier; r6: output zero point + 128; r7: right shift. Halves
 * of 16 bits make four products; what a shift to the right takes off last is the carry, by which
 * ADCS rounds. */
#define TINYOPS_LANES_REQUANTISE \
  "sxth r1, r0\n\t"              \
  "subs r0, r0, r1\n\t"          \
  "asrs r0, r0, #16\n\t"         \
  "movs r2, r1\n\t"              \
  "muls r2, r4, r2\n\t"          \
  "asrs r2, r2, #16\n\t"         \
  "muls r1, r5, r1\n\t"          \
  "adds r1, r1, r2\n\t"          \
  "movs r2, r0\n\t"              \
  "muls r2, r4, r2\n\t"          \
  "adds r1, r1, r2\n\t"          \
  "muls r0, r5, r0\n\t"          \
  "adds r0, r0, r0\n\t"          \
  "asrs r1, r1, #15\n\t"         \
  "adcs r0, r1\n\t"              \
  "asrs r1, r0, #31\n\t"         \
  "adds r0, r0, r1\n\t"          \
  "asrs r0, r7\n\t"              \
  "adcs r0, r6\n\t" TINYOPS_LANES_CLAMP

#endif
