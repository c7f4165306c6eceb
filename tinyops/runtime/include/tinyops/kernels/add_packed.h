/* Addition and subtraction of two int8 tensors, for cores with the DSP extension and for
 * those without products of 64 bits.
 *
 * The operand with the larger scale needs no multiplication to get to the common scale, which is
 * twice its own: it is called exact here.
 */
#ifndef TINYOPS_KERNELS_ADD_PACKED_H
#define TINYOPS_KERNELS_ADD_PACKED_H

#include <stdint.h>

#include "tinyops/internal.h"
#include "tinyops/kernels/broadcast.h"

/* The other operand on the common scale: (value << left) + offset, times multiplier, to the right.
 */
typedef struct {
  int32_t offset; /* minus the zero point, shifted as values are */
  int32_t left;   /* one more than the scale's left shift, since the multiplication halves */
  int32_t multiplier;
  int32_t shift; /* to the right, 1..22 */
} tinyops_add_packed_operand;

typedef struct {
  tinyops_broadcast shape; /* of the exact operand and the other one */
  int32_t exact_offset;    /* minus the zero point of the exact operand */
  tinyops_add_packed_operand other;
  int32_t negate; /* of a difference: 1 where the exact operand is what is taken off */
  int32_t output_multiplier;
  int32_t output_shift; /* to the right, 1..22 */
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_add_packed_params;

/* output = exact + other, in order. In place, or with `output` before an operand, is allowed for
 * operands that are not broadcast. */
TINYOPS_INTERNAL void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *exact,
                                         const int8_t *other, int8_t *output);
/* output = exact - other, or other - exact, under the same rule. */
TINYOPS_INTERNAL void tinyops_sub_packed(const tinyops_add_packed_params *p, const int8_t *exact,
                                         const int8_t *other, int8_t *output);

#endif
