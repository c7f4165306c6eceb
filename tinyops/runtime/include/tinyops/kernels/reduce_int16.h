/* Mean or sum of int16 over up to two groups of neighbouring dimensions. */
#ifndef TINYOPS_KERNELS_REDUCE_INT16_H
#define TINYOPS_KERNELS_REDUCE_INT16_H

#include "tinyops/kernels/reduce.h"

typedef struct {
  tinyops_reduction shape;
  int32_t multiplier, shift; /* of a mean, the division is in here */
} tinyops_mean_int16_params;

/* Writes output (outer, middle, inner), in order, from input (outer, rows, middle, columns, inner);
 * at most 2^15 values are added up. In place, or with `output` before `input`, is allowed. */
TINYOPS_INTERNAL void tinyops_mean_int16(const tinyops_mean_int16_params *p, const int16_t *input,
                                         int16_t *output);

#endif
