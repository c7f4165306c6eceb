#include <string.h>

#include "tinyops/kernels/quantize.h"

void tinyops_dequantize_real(const tinyops_dequantize_real_params *p, const void *input,
                             float *output) {
  const uint8_t *bytes = (const uint8_t *)input;
  for (int32_t i = 0; i < p->count; ++i) {
    int16_t value;
    if (p->input_bytes == 1) {
      value = (int8_t)(bytes[i] ^ p->flip);
    } else {
      memcpy(&value, bytes + 2 * i, sizeof value);
    }
    output[i] = p->scale * (float)(value - p->zero_point);
  }
}
