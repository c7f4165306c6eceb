#include "tinyops/kernels/fully_connected.h"

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/dot.h"

void tinyops_fully_connected(const tinyops_fully_connected_params *p, const int8_t *input,
                             const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                             const TINYOPS_FLASH int32_t *multiplier,
                             const TINYOPS_FLASH int8_t *shift, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->inputs) {
    for (int32_t i = 0; i < p->outputs; ++i) {
      const int32_t acc = tinyops_dot(input, weights + i * p->inputs, p->inputs, bias[i]);
      const int32_t k = i * p->channel_step;
      *output++ =
          tinyops_requantise(acc, multiplier[k], shift[k], p->output_zero_point, p->min, p->max);
    }
  }
}
