/* Two int8 operands gone through together, with broadcasting over four dimensions. */
#ifndef TINYOPS_KERNELS_BROADCAST_H
#define TINYOPS_KERNELS_BROADCAST_H

#include <stdint.h>

/* The output's extents, and how far an operand moves along each; 0 where it is broadcast. */
typedef struct {
  int32_t extent[4];
  int32_t a_step[4];
  int32_t b_step[4];
} tinyops_broadcast;

/* An operand's first value in row (n, h, w) of the output, whose rows are its innermost dimension.
 */
static inline const int8_t *tinyops_row_at(const int8_t *operand, const int32_t step[4], int32_t n,
                                           int32_t h, int32_t w) {
  return operand + n * step[0] + h * step[1] + w * step[2];
}

/* What a value of each operand becomes. */
typedef int8_t (*tinyops_of_two)(const void *params, int32_t a, int32_t b);

/* output (extent) = of(a, b), in the order of the output. `of` is known to the compiler at every
 * call, which makes a loop of its own of each. */
static inline void tinyops_for_each_pair(const tinyops_broadcast *s, const int8_t *a,
                                         const int8_t *b, int8_t *output, const void *params,
                                         tinyops_of_two of) {
  for (int32_t n = 0; n < s->extent[0]; ++n) {
    for (int32_t h = 0; h < s->extent[1]; ++h) {
      for (int32_t w = 0; w < s->extent[2]; ++w) {
        const int8_t *x = tinyops_row_at(a, s->a_step, n, h, w);
        const int8_t *y = tinyops_row_at(b, s->b_step, n, h, w);
        for (int32_t c = 0; c < s->extent[3]; ++c) {
          *output++ = of(params, *x, *y);
          x += s->a_step[3];
          y += s->b_step[3];
        }
      }
    }
  }
}

/* Works on one row of the output; operands move in it by steps of 0 or 1. */
typedef void (*tinyops_row_of_two)(const void *params, const int8_t *a, const int8_t *b,
                                   int8_t *output);

/* Calls `row` for all rows, in the order of the output: for kernels that do several values at a
 * time. */
static inline void tinyops_for_each_row(const tinyops_broadcast *s, const int8_t *a,
                                        const int8_t *b, int8_t *output, const void *params,
                                        tinyops_row_of_two row) {
  for (int32_t n = 0; n < s->extent[0]; ++n) {
    for (int32_t h = 0; h < s->extent[1]; ++h) {
      for (int32_t w = 0; w < s->extent[2]; ++w, output += s->extent[3]) {
        row(params, tinyops_row_at(a, s->a_step, n, h, w), tinyops_row_at(b, s->b_step, n, h, w),
            output);
      }
    }
  }
}

#endif
