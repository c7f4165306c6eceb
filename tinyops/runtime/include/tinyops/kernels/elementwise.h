/* Addition and multiplication of two int8 tensors, with broadcasting. */
#ifndef TINYOPS_KERNELS_ELEMENTWISE_H
#define TINYOPS_KERNELS_ELEMENTWISE_H

#include <stdint.h>

#include "tinyops/internal.h"

/* The output's extents, and how far an operand moves along each; 0 where it is broadcast. */
typedef struct {
  int32_t extent[4];
  int32_t a_step[4];
  int32_t b_step[4];
} tinyops_broadcast;

typedef struct {
  tinyops_broadcast shape;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t a_multiplier, a_shift;
  int32_t b_multiplier, b_shift;
  int32_t output_multiplier, output_shift;
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_add_params;

typedef struct {
  tinyops_broadcast shape;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t output_multiplier, output_shift;
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_mul_params;

/* output (extent) = a + b, in the order of the output. In place, or with `output` before an
 * operand, is allowed for operands that are not broadcast. */
TINYOPS_INTERNAL void tinyops_add(const tinyops_add_params *p, const int8_t *a, const int8_t *b,
                                  int8_t *output);
/* output (extent) = a * b, under the same rules. */
TINYOPS_INTERNAL void tinyops_mul(const tinyops_mul_params *p, const int8_t *a, const int8_t *b,
                                  int8_t *output);

#endif
