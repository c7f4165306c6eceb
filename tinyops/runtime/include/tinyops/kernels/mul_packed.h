/* Multiplication of two int8 tensors, for cores with the DSP extension. */
#ifndef TINYOPS_KERNELS_MUL_PACKED_H
#define TINYOPS_KERNELS_MUL_PACKED_H

#include <stdint.h>

#include "tinyops/internal.h"
#include "tinyops/kernels/broadcast.h"

typedef struct {
  tinyops_broadcast shape;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t output_multiplier;
  int32_t output_shift; /* to the right, 1..22 */
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_mul_packed_params;

/* output = a * b, in order. In place, or with `output` before an operand, is allowed for operands
 * that are not broadcast. */
TINYOPS_INTERNAL void tinyops_mul_packed(const tinyops_mul_packed_params *p, const int8_t *a,
                                         const int8_t *b, int8_t *output);

#endif
