/* Rows scaled to a length of 1, int8; the output's scale is 1/128, its zero point 0. */
#ifndef TINYOPS_KERNELS_L2_NORMALIZATION_H
#define TINYOPS_KERNELS_L2_NORMALIZATION_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows, depth;
  int32_t input_offset; /* minus the zero point */
} tinyops_l2_normalization_params;

/* output (rows, depth) from input (rows, depth). In place, or with `output` before `input`, is
 * allowed: a value is read for the last time before it is replaced. */
TINYOPS_INTERNAL void tinyops_l2_normalization(const tinyops_l2_normalization_params *p,
                                               const int8_t *input, int8_t *output);

#endif
