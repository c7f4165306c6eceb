#include "tinyops/fixed_point.h"
#include "tinyops/kernels/reduce_loop.h"

static inline int32_t add(int32_t acc, const int8_t *values, int32_t count, int32_t step) {
  for (int32_t i = 0; i < count; ++i, values += step) {
    acc += *values;
  }
  return acc;
}

static inline int8_t scaled(const void *params, int32_t acc) {
  const tinyops_mean_params *p = (const tinyops_mean_params *)params;
  return tinyops_requantise(acc, p->multiplier, p->shift, p->output_zero_point, INT8_MIN, INT8_MAX);
}

void tinyops_mean(const tinyops_mean_params *p, const int8_t *input, int8_t *output) {
  tinyops_reduce(&p->shape, input, output, p, p->input_offset, add, scaled);
}
