#include "tinyops/kernels/mean.h"

#include "tinyops/fixed_point.h"

void tinyops_mean(const tinyops_mean_params *p, const int8_t *input, int8_t *output) {
  for (int32_t o = 0; o < p->outer; ++o, input += p->reduced * p->inner) {
    for (int32_t i = 0; i < p->inner; ++i) {
      int32_t sum = p->input_offset;
      for (int32_t r = 0; r < p->reduced; ++r) {
        sum += input[r * p->inner + i];
      }
      *output++ = tinyops_requantise(sum, p->multiplier, p->shift, p->output_zero_point, INT8_MIN,
                                     INT8_MAX);
    }
  }
}
