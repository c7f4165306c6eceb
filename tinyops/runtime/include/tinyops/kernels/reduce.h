/* Reductions of int8 over up to two groups of neighbouring dimensions. */
#ifndef TINYOPS_KERNELS_REDUCE_H
#define TINYOPS_KERNELS_REDUCE_H

#include <stdint.h>

#include "tinyops/internal.h"

/* The input seen as (outer, rows, middle, columns, inner), of which rows and columns are reduced.
 */
typedef struct {
  int32_t outer, rows, middle, columns, inner;
} tinyops_reduction;

typedef struct {
  tinyops_reduction shape;
  int32_t input_offset; /* rows times columns times minus the zero point */
  int32_t output_zero_point;
  int32_t multiplier, shift; /* of a mean, the division is in here */
} tinyops_mean_params;

typedef struct {
  tinyops_reduction shape;
} tinyops_reduce_extreme_params;

/* Each of these writes output (outer, middle, inner), in order, from input (outer, rows, middle,
 * columns, inner). In place, or with `output` before `input`, is allowed. */

/* Mean or sum, which differ in the multiplier. */
TINYOPS_INTERNAL void tinyops_mean(const tinyops_mean_params *p, const int8_t *input,
                                   int8_t *output);
/* The largest and the smallest value; input and output share scale and zero point. */
TINYOPS_INTERNAL void tinyops_reduce_max(const tinyops_reduce_extreme_params *p,
                                         const int8_t *input, int8_t *output);
TINYOPS_INTERNAL void tinyops_reduce_min(const tinyops_reduce_extreme_params *p,
                                         const int8_t *input, int8_t *output);

#endif
