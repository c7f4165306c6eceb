#include "tinyops/kernels/elementwise.h"

static inline int8_t smaller(const void *params, int32_t a, int32_t b) {
  (void)params;
  return (int8_t)(a < b ? a : b);
}

static inline int8_t larger(const void *params, int32_t a, int32_t b) {
  (void)params;
  return (int8_t)(a > b ? a : b);
}

void tinyops_minimum(const tinyops_extreme_params *p, const int8_t *a, const int8_t *b,
                     int8_t *output) {
  tinyops_for_each_pair(&p->shape, a, b, output, p, smaller);
}

void tinyops_maximum(const tinyops_extreme_params *p, const int8_t *a, const int8_t *b,
                     int8_t *output) {
  tinyops_for_each_pair(&p->shape, a, b, output, p, larger);
}
