#include "tinyops/kernels/fully_connected_coded.h"

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/coded.h"

void tinyops_fully_connected_coded(const tinyops_fully_connected_coded_params *p,
                                   const int8_t *input, const TINYOPS_FLASH uint8_t *codes,
                                   const TINYOPS_FLASH int8_t *table,
                                   const TINYOPS_FLASH int32_t *bias,
                                   const TINYOPS_FLASH int32_t *multiplier,
                                   const TINYOPS_FLASH int8_t *shift, int8_t *output) {
  const int32_t bytes = tinyops_coded_bytes(p->inputs);
  int8_t near[TINYOPS_CODES];
  tinyops_take_table(table, near);
  for (int32_t row = 0; row < p->rows; ++row, input += p->inputs) {
    for (int32_t i = 0; i < p->outputs; ++i) {
      const int32_t acc = tinyops_coded_dot(input, codes + i * bytes, near, p->inputs, bias[i]);
      const int32_t k = i * p->channel_step;
      *output++ =
          tinyops_requantise(acc, multiplier[k], shift[k], p->output_zero_point, p->min, p->max);
    }
  }
}
