#include "tinyops/kernels/reduce_loop.h"

static inline int32_t larger(int32_t acc, const int8_t *values, int32_t count, int32_t step) {
  for (int32_t i = 0; i < count; ++i, values += step) {
    acc = *values > acc ? *values : acc;
  }
  return acc;
}

static inline int32_t smaller(int32_t acc, const int8_t *values, int32_t count, int32_t step) {
  for (int32_t i = 0; i < count; ++i, values += step) {
    acc = *values < acc ? *values : acc;
  }
  return acc;
}

static inline int8_t same(const void *params, int32_t acc) {
  (void)params;
  return (int8_t)acc;
}

void tinyops_reduce_max(const tinyops_reduce_extreme_params *p, const int8_t *input,
                        int8_t *output) {
  tinyops_reduce(&p->shape, input, output, p, INT8_MIN, larger, same);
}

void tinyops_reduce_min(const tinyops_reduce_extreme_params *p, const int8_t *input,
                        int8_t *output) {
  tinyops_reduce(&p->shape, input, output, p, INT8_MAX, smaller, same);
}
