/* Products of int8 matrices, in up to two dimensions of batches. */
#ifndef TINYOPS_KERNELS_BATCH_MATMUL_H
#define TINYOPS_KERNELS_BATCH_MATMUL_H

#include <stdint.h>

#include "tinyops/internal.h"

/* How far an operand moves; batches that are broadcast have step 0, swapped dimensions swapped
 * steps. */
typedef struct {
  int32_t batch_step[2];
  int32_t row_step, column_step;
  int32_t offset; /* minus the zero point */
} tinyops_matrix;

typedef struct {
  int32_t batches[2];
  int32_t rows, columns, depth; /* a (rows, depth) times b (depth, columns) */
  tinyops_matrix a, b;
  int32_t output_zero_point;
  int32_t multiplier, shift;
} tinyops_batch_matmul_params;

/* output (batches, rows, columns) = a b. The buffers must not overlap. */
TINYOPS_INTERNAL void tinyops_batch_matmul(const tinyops_batch_matmul_params *p, const int8_t *a,
                                           const int8_t *b, int8_t *output);

#endif
