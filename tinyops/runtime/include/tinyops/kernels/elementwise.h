/* Arithmetic on two int8 tensors, with broadcasting. */
#ifndef TINYOPS_KERNELS_ELEMENTWISE_H
#define TINYOPS_KERNELS_ELEMENTWISE_H

#include <stdint.h>

#include "tinyops/fixed_point.h"
#include "tinyops/internal.h"
#include "tinyops/kernels/broadcast.h"

/* Bits to spare on the common scale: of sums, and of differences that are squared. */
enum { TINYOPS_ADD_LEFT_SHIFT = 20, TINYOPS_DIFFERENCE_LEFT_SHIFT = 7 };

/* Operands that are brought to a common scale first. */
typedef struct {
  tinyops_broadcast shape;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t a_multiplier, a_shift;
  int32_t b_multiplier, b_shift;
  int32_t output_multiplier, output_shift;
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_common_scale_params;

typedef struct {
  tinyops_broadcast shape;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t output_multiplier, output_shift;
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_mul_params;

typedef tinyops_mul_params tinyops_div_params;

typedef struct {
  tinyops_broadcast shape;
  int32_t a_offset, b_offset; /* minus the zero points */
  int32_t positive_multiplier, positive_shift;
  int32_t negative_multiplier, negative_shift; /* of a product with a slope */
  int32_t output_zero_point;
} tinyops_prelu_params;

typedef struct {
  tinyops_broadcast shape;
} tinyops_extreme_params;

/* An operand's value, its zero point taken off, on the common scale. */
static inline int32_t tinyops_on_common_scale(int32_t value, int32_t left, int32_t multiplier,
                                              int32_t shift) {
  return tinyops_multiply(value * ((int32_t)1 << left), multiplier, shift);
}

/* Each of these writes output (extent) in order. In place, or with `output` before an operand, is
 * allowed for operands that are not broadcast. */

/* a + b */
TINYOPS_INTERNAL void tinyops_add(const tinyops_common_scale_params *p, const int8_t *a,
                                  const int8_t *b, int8_t *output);
/* a - b */
TINYOPS_INTERNAL void tinyops_sub(const tinyops_common_scale_params *p, const int8_t *a,
                                  const int8_t *b, int8_t *output);
/* (a - b)^2 */
TINYOPS_INTERNAL void tinyops_squared_difference(const tinyops_common_scale_params *p,
                                                 const int8_t *a, const int8_t *b, int8_t *output);
/* a * b */
TINYOPS_INTERNAL void tinyops_mul(const tinyops_mul_params *p, const int8_t *a, const int8_t *b,
                                  int8_t *output);
/* a / b, no b being zero. The compiler has checked the shifts of every quotient that can occur. */
TINYOPS_INTERNAL void tinyops_div(const tinyops_div_params *p, const int8_t *a, const int8_t *b,
                                  int8_t *output);
/* a, or a * b where a is below zero */
TINYOPS_INTERNAL void tinyops_prelu(const tinyops_prelu_params *p, const int8_t *a, const int8_t *b,
                                    int8_t *output);
/* The smaller and the larger of two values of one scale. */
TINYOPS_INTERNAL void tinyops_minimum(const tinyops_extreme_params *p, const int8_t *a,
                                      const int8_t *b, int8_t *output);
TINYOPS_INTERNAL void tinyops_maximum(const tinyops_extreme_params *p, const int8_t *a,
                                      const int8_t *b, int8_t *output);

#endif
