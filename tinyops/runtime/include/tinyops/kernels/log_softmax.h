/* Logarithm of softmax over the last dimension, int8; the output's scale is 1/16, its zero point
 * 127.
 */
#ifndef TINYOPS_KERNELS_LOG_SOFTMAX_H
#define TINYOPS_KERNELS_LOG_SOFTMAX_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows, depth;
  int32_t multiplier, left_shift;      /* a difference of inputs to Q5.26 */
  int32_t diff_min;                    /* differences below count as exp = 0 */
  int32_t back_multiplier, back_shift; /* Q5.26 to a difference of inputs */
} tinyops_log_softmax_params;

/* output (rows, depth) from input (rows, depth). In place, or with `output` before `input`, is
 * allowed: a value is read for the last time before it is replaced. */
TINYOPS_INTERNAL void tinyops_log_softmax(const tinyops_log_softmax_params *p, const int8_t *input,
                                          int8_t *output);

#endif
