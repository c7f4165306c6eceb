#include <string.h>

#include "tinyops/kernels/quantize.h"

void tinyops_dequantize_real(const tinyops_dequantize_real_params *p, const void *input,
                             float *output) {
  const uint8_t *bytes = (const uint8_t *)input;
  const int32_t count = p->count, zero_point = p->zero_point, flip = p->flip;
  const float scale = p->scale;
  if (p->input_bytes == 1) {
    for (int32_t i = 0; i < count; ++i) {
      output[i] = scale * (float)((int8_t)(bytes[i] ^ flip) - zero_point);
    }
    return;
  }
  for (int32_t i = 0; i < count; ++i) {
    int16_t value;
    memcpy(&value, bytes + 2 * i, sizeof value);
    output[i] = scale * (float)(value - zero_point);
  }
}
