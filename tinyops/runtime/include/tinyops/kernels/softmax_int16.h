/* Softmax of int16 around 0. */
#ifndef TINYOPS_KERNELS_SOFTMAX_INT16_H
#define TINYOPS_KERNELS_SOFTMAX_INT16_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows, depth;
  int32_t multiplier, shift; /* of a difference, to steps of 10 / 65535 */
} tinyops_softmax_int16_wide_params;

/* output (rows, depth) in steps of 1 / 32768. Both tables have 513 values, between which is
 * interpolated: exp from -10 to 0, and 1 / (1 + x) from 0 to 1. In place, or with `output` before
 * `input`, is allowed. */
TINYOPS_INTERNAL void tinyops_softmax_int16_wide(const tinyops_softmax_int16_wide_params *p,
                                                 const int16_t *input, const int16_t *exps,
                                                 const int16_t *reciprocals, int16_t *output);

#endif
