/* Arithmetic on two int16 tensors around 0, with broadcasting. */
#ifndef TINYOPS_KERNELS_ELEMENTWISE_INT16_H
#define TINYOPS_KERNELS_ELEMENTWISE_INT16_H

#include <stdint.h>

#include "tinyops/fixed_point.h"
#include "tinyops/internal.h"
#include "tinyops/kernels/broadcast.h"

/* Bits to spare on the common scale. */
enum { TINYOPS_SUM_INT16_LEFT_SHIFT = 15 };

typedef struct {
  tinyops_broadcast shape;
  int32_t a_multiplier, a_shift; /* to the common scale */
  int32_t b_multiplier, b_shift;
  int32_t negate; /* 1: b is taken off */
  int32_t output_multiplier, output_shift;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_sum_int16_params;

typedef struct {
  tinyops_broadcast shape;
  int32_t output_multiplier, output_shift;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_mul_int16_params;

/* What a value of each operand becomes. */
typedef int16_t (*tinyops_of_two_int16)(const void *params, int32_t a, int32_t b);

/* output (extent) = of(a, b), in the order of the output. */
static inline void tinyops_for_each_pair_int16(const tinyops_broadcast *s, const int16_t *a,
                                               const int16_t *b, int16_t *output,
                                               const void *params, tinyops_of_two_int16 of) {
  for (int32_t n = 0; n < s->extent[0]; ++n) {
    for (int32_t h = 0; h < s->extent[1]; ++h) {
      for (int32_t w = 0; w < s->extent[2]; ++w) {
        const int16_t *x = a + n * s->a_step[0] + h * s->a_step[1] + w * s->a_step[2];
        const int16_t *y = b + n * s->b_step[0] + h * s->b_step[1] + w * s->b_step[2];
        for (int32_t c = 0; c < s->extent[3]; ++c) {
          *output++ = of(params, *x, *y);
          x += s->a_step[3];
          y += s->b_step[3];
        }
      }
    }
  }
}

/* Each of these writes output (extent) in order. In place, or with `output` before an operand, is
 * allowed for operands that are not broadcast. */

/* a + b, or a - b */
TINYOPS_INTERNAL void tinyops_sum_int16(const tinyops_sum_int16_params *p, const int16_t *a,
                                        const int16_t *b, int16_t *output);
/* a * b */
TINYOPS_INTERNAL void tinyops_mul_int16(const tinyops_mul_int16_params *p, const int16_t *a,
                                        const int16_t *b, int16_t *output);

#endif
