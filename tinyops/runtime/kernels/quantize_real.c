#include "tinyops/fixed_point.h"
#include "tinyops/kernels/quantize.h"

void tinyops_quantize_real(const tinyops_quantize_real_params *p, const float *input,
                           int8_t *output) {
  const float scale = p->scale, edge = 2147483648.0f;
  const int32_t zero_point = p->zero_point, otherwise = p->otherwise;
  for (int32_t i = 0; i < p->count; ++i) {
    const float quotient = input[i] / scale;
    int32_t value = otherwise;
    if (quotient > -edge && quotient < edge) {
      value = (int32_t)quotient;
      const float rest = quotient - (float)value; /* exact */
      value += (rest >= 0.5f) - (rest <= -0.5f);
      value = tinyops_clamp(value + zero_point, INT8_MIN, INT8_MAX);
    }
    output[i] = (int8_t)value;
  }
}
