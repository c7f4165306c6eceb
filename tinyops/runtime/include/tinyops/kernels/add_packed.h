/* Addition of two int8 tensors of one shape, for cores with the DSP extension and for those without
 * products of 64 bits. */
#ifndef TINYOPS_KERNELS_ADD_PACKED_H
#define TINYOPS_KERNELS_ADD_PACKED_H

#include <stdint.h>

#include "tinyops/internal.h"

/* An operand on the common scale: (value + offset) << left, times multiplier, to the right. */
typedef struct {
  int32_t offset; /* minus the zero point */
  int32_t left;   /* one more than the scale's left shift, since the multiplication halves */
  int32_t multiplier;
  int32_t shift; /* to the right, 1..22 */
} tinyops_add_packed_operand;

typedef struct {
  int32_t count; /* values */
  tinyops_add_packed_operand a, b;
  int32_t output_multiplier;
  int32_t output_shift; /* to the right, 1..22 */
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_add_packed_params;

/* output (count) = a (count) + b (count). The output may lie where an operand lies. */
TINYOPS_INTERNAL void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *a,
                                         const int8_t *b, int8_t *output);

#endif
