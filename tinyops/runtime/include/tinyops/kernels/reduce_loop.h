/* How reductions go through their input. */
#ifndef TINYOPS_KERNELS_REDUCE_LOOP_H
#define TINYOPS_KERNELS_REDUCE_LOOP_H

#include "tinyops/kernels/reduce.h"

/* An accumulator with `count` further values in it, `step` apart. */
typedef int32_t (*tinyops_gather)(int32_t acc, const int8_t *values, int32_t count, int32_t step);

/* What an accumulator becomes. */
typedef int8_t (*tinyops_of_acc)(const void *params, int32_t acc);

/* Both functions are known to the compiler at every call, which makes a loop of its own of each. */
static inline void tinyops_reduce(const tinyops_reduction *s, const int8_t *input, int8_t *output,
                                  const void *params, int32_t start, tinyops_gather gather,
                                  tinyops_of_acc of) {
  const int32_t block = s->columns * s->inner, row = s->middle * block;
  for (int32_t o = 0; o < s->outer; ++o, input += s->rows * row) {
    for (int32_t m = 0; m < s->middle; ++m) {
      for (int32_t i = 0; i < s->inner; ++i) {
        const int8_t *from = input + m * block + i;
        int32_t acc = start;
        for (int32_t r = 0; r < s->rows; ++r, from += row) {
          acc = gather(acc, from, s->columns, s->inner);
        }
        *output++ = of(params, acc);
      }
    }
  }
}

#endif
