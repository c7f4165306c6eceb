/* Softmax over the last dimension of int8. */
#ifndef TINYOPS_KERNELS_SOFTMAX_H
#define TINYOPS_KERNELS_SOFTMAX_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows, depth;
  int32_t multiplier, left_shift; /* a difference of inputs to Q5.26, beta included */
  int32_t diff_min;               /* differences below count as exp = 0 */
} tinyops_softmax_params;

/* output (rows, depth) from input (rows, depth), in 1/256 from -128 on. In place, or with `output`
 * before `input`, is allowed: a value is read for the last time before it is replaced. */
TINYOPS_INTERNAL void tinyops_softmax(const tinyops_softmax_params *p, const int8_t *input,
                                      int8_t *output);

/* The same in 1/65536 from -32768 on. `output` may start as far before `input` as overlap.py
 * computes from that. */
TINYOPS_INTERNAL void tinyops_softmax_int16(const tinyops_softmax_params *p, const int8_t *input,
                                            int16_t *output);

typedef struct {
  int32_t rows, depth;
  int32_t count; /* of the table */
} tinyops_softmax_table_params;

/* As tinyops_softmax, with exponentials from a table: exps[d] (count) is exp as Q0.31 of a value
 * that is d below the largest; from `count` on, it is 0. */
TINYOPS_INTERNAL void tinyops_softmax_table(const tinyops_softmax_table_params *p,
                                            const int8_t *input, const int32_t *exps,
                                            int8_t *output);

#endif
