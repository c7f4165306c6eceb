#include "tinyops/kernels/quantize.h"

void tinyops_dequantize(const tinyops_dequantize_params *p, const void *input, const float *table,
                        float *output) {
  const uint8_t *from = (const uint8_t *)input;
  for (int32_t i = 0; i < p->count; ++i) {
    output[i] = table[from[i]];
  }
}
