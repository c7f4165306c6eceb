/* Softmax and its logarithm on real numbers, for models that end in float32. */
#ifndef TINYOPS_KERNELS_SOFTMAX_REAL_H
#define TINYOPS_KERNELS_SOFTMAX_REAL_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows, depth;
  float beta; /* 1 for the logarithm, which has none */
} tinyops_softmax_real_params;

/* output (rows, depth) from input (rows, depth). In place, or with `output` before `input`, is
 * allowed: a value is read for the last time before it is replaced. Exponentials and logarithms
 * are the nearest float32, computed in double precision. */
TINYOPS_INTERNAL void tinyops_softmax_real(const tinyops_softmax_real_params *p, const float *input,
                                           float *output);
TINYOPS_INTERNAL void tinyops_log_softmax_real(const tinyops_softmax_real_params *p,
                                               const float *input, float *output);

#endif
