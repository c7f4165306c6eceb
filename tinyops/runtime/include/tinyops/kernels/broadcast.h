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

/* What a value of each operand becomes. */
typedef int8_t (*tinyops_of_two)(const void *params, int32_t a, int32_t b);

/* Works on `count` values of the innermost dimension; operands move by a_step and b_step, which
 * are 0 or 1. `of` is handed through. */
typedef void (*tinyops_row_of_two)(const void *params, tinyops_of_two of, const int8_t *a,
                                   const int8_t *b, int8_t *output, int32_t count, int32_t a_step,
                                   int32_t b_step);

/* Calls `row` for all rows, in the order of the output. */
static inline void tinyops_for_each_row(const tinyops_broadcast *s, const int8_t *a,
                                        const int8_t *b, int8_t *output, const void *params,
                                        tinyops_row_of_two row, tinyops_of_two of) {
  for (int32_t n = 0; n < s->extent[0]; ++n) {
    for (int32_t h = 0; h < s->extent[1]; ++h) {
      for (int32_t w = 0; w < s->extent[2]; ++w) {
        const int8_t *x = a + n * s->a_step[0] + h * s->a_step[1] + w * s->a_step[2];
        const int8_t *y = b + n * s->b_step[0] + h * s->b_step[1] + w * s->b_step[2];
        row(params, of, x, y, output, s->extent[3], s->a_step[3], s->b_step[3]);
        output += s->extent[3];
      }
    }
  }
}

static inline void tinyops_row_of_pairs(const void *params, tinyops_of_two of, const int8_t *a,
                                        const int8_t *b, int8_t *output, int32_t count,
                                        int32_t a_step, int32_t b_step) {
  for (int32_t c = 0; c < count; ++c) {
    *output++ = of(params, *a, *b);
    a += a_step;
    b += b_step;
  }
}

/* output (extent) = of(a, b), in the order of the output. `of` is known to the compiler at every
 * call, which makes a loop of its own of each. */
static inline void tinyops_for_each_pair(const tinyops_broadcast *s, const int8_t *a,
                                         const int8_t *b, int8_t *output, const void *params,
                                         tinyops_of_two of) {
  tinyops_for_each_row(s, a, b, output, params, tinyops_row_of_pairs, of);
}

#endif
