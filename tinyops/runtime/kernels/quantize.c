#include "tinyops/kernels/quantize.h"

#include "tinyops/fixed_point.h"

/* Rounded half away from zero. Exact: a truncated part and its rest need no rounding of their own. */
static int32_t round_half_away(float value) {
  const int32_t whole = (int32_t)value;
  const float rest = value - (float)whole;
  return rest >= 0.5f ? whole + 1 : (rest <= -0.5f ? whole - 1 : whole);
}

void tinyops_quantize(const tinyops_affine_params *p, const float *input, int8_t *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    const float steps = input[i] / p->scale;
    int32_t value = INT8_MIN;
    if (steps >= 1024.0f) { /* NaN is neither above nor below */
      value = INT8_MAX;
    } else if (steps > -1024.0f) {
      value = tinyops_clamp(round_half_away(steps) + p->zero_point, INT8_MIN, INT8_MAX);
    }
    output[i] = (int8_t)value;
  }
}

void tinyops_dequantize(const tinyops_affine_params *p, const int8_t *input, float *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    output[i] = p->scale * (float)(input[i] - p->zero_point);
  }
}

void tinyops_requantize_int16(const tinyops_requantize_params *p, const int16_t *input,
                              int8_t *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    output[i] = tinyops_requantise(input[i] - p->input_zero_point, p->multiplier, p->shift,
                                   p->output_zero_point, INT8_MIN, INT8_MAX);
  }
}
