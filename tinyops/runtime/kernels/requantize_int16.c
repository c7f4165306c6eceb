#include "tinyops/fixed_point.h"
#include "tinyops/kernels/quantize.h"

void tinyops_requantize_int16(const tinyops_requantize_int16_params *p, const int16_t *input,
                              int8_t *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    output[i] = tinyops_requantise(input[i] - p->input_zero_point, p->multiplier, p->shift,
                                   p->output_zero_point, INT8_MIN, INT8_MAX);
  }
}
