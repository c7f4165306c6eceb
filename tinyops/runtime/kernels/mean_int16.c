#include "tinyops/fixed_point.h"
#include "tinyops/kernels/reduce_int16.h"

/* Sum of (rows, columns), of which the first is at `from`. */
static int32_t sum(const tinyops_reduction *s, const int16_t *from) {
  const int32_t row = s->middle * s->columns * s->inner;
  int32_t acc = 0;
  for (int32_t r = 0; r < s->rows; ++r, from += row) {
    const int16_t *at = from;
    for (int32_t i = 0; i < s->columns; ++i, at += s->inner) {
      acc += *at;
    }
  }
  return acc;
}

void tinyops_mean_int16(const tinyops_mean_int16_params *p, const int16_t *input, int16_t *output) {
  const tinyops_reduction *s = &p->shape;
  const int32_t block = s->columns * s->inner;
  for (int32_t o = 0; o < s->outer; ++o, input += s->rows * s->middle * block) {
    for (int32_t m = 0; m < s->middle; ++m) {
      for (int32_t i = 0; i < s->inner; ++i) {
        const int32_t acc = sum(s, input + m * block + i);
        const int32_t value = tinyops_multiply(acc, p->multiplier, p->shift);
        *output++ = (int16_t)tinyops_clamp(value, INT16_MIN, INT16_MAX);
      }
    }
  }
}
