#include "tinyops/kernels/batch_matmul.h"

#include "tinyops/fixed_point.h"

/* One row of one matrix times one column of another. */
static int32_t product(const tinyops_batch_matmul_params *p, const int8_t *row,
                       const int8_t *column) {
  const int32_t a_offset = p->a.offset, b_offset = p->b.offset;
  const int32_t a_step = p->a.column_step, b_step = p->b.row_step;
  int32_t acc = 0;
  for (int32_t k = 0; k < p->depth; ++k) {
    acc += (*row + a_offset) * (*column + b_offset);
    row += a_step;
    column += b_step;
  }
  return acc;
}

static int8_t *matrix(const tinyops_batch_matmul_params *p, const int8_t *a, const int8_t *b,
                      int8_t *output) {
  for (int32_t y = 0; y < p->rows; ++y) {
    for (int32_t x = 0; x < p->columns; ++x) {
      const int32_t acc = product(p, a + y * p->a.row_step, b + x * p->b.column_step);
      *output++ = tinyops_requantise(acc, p->multiplier, p->shift, p->output_zero_point, INT8_MIN,
                                     INT8_MAX);
    }
  }
  return output;
}

void tinyops_batch_matmul(const tinyops_batch_matmul_params *p, const int8_t *a, const int8_t *b,
                          int8_t *output) {
  for (int32_t i = 0; i < p->batches[0]; ++i) {
    for (int32_t k = 0; k < p->batches[1]; ++k) {
      output = matrix(p, a + i * p->a.batch_step[0] + k * p->a.batch_step[1],
                      b + i * p->b.batch_step[0] + k * p->b.batch_step[1], output);
    }
  }
}
