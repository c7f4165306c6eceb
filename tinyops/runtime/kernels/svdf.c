#include "tinyops/kernels/svdf.h"

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/dot.h"

/* What filter i makes of the input, in the state's scale and limits, without its zero point. */
static int32_t new_feature(const tinyops_svdf_params *p, const int8_t *input,
                           const TINYOPS_FLASH int8_t *feature, int32_t bias, int32_t low,
                           int32_t high) {
  const int32_t acc = tinyops_dot(input, feature, p->inputs, bias);
  return tinyops_clamp(tinyops_multiply(acc, p->feature_multiplier, p->feature_shift), low, high);
}

static int8_t output_value(const tinyops_svdf_params *p, int32_t acc) {
  return tinyops_requantise(acc, p->output_multiplier, p->output_shift, p->output_zero_point,
                            INT8_MIN, INT8_MAX);
}

void tinyops_svdf_int16(const tinyops_svdf_params *p, const int8_t *input,
                        const TINYOPS_FLASH int8_t *feature,
                        const TINYOPS_FLASH int32_t *feature_bias,
                        const TINYOPS_FLASH int16_t *time, const TINYOPS_FLASH int32_t *bias,
                        int16_t *state, int8_t *output) {
  const int32_t last = p->memory - 1;
  for (int32_t unit = 0; unit < p->units; ++unit) {
    int32_t acc = bias[unit];
    for (int32_t i = 0; i < p->rank; ++i) {
      const int32_t value = new_feature(p, input, feature, *feature_bias++, INT16_MIN, INT16_MAX);
      acc = tinyops_shift_dot_int16(state, time, last, acc);
      /* The zero point is added behind the limits: the sum wraps, as the interpreter's does. */
      state[last] = (int16_t)(uint16_t)(value + p->state_zero_point);
      acc = (int32_t)((uint32_t)acc + (uint32_t)((int32_t)state[last] * time[last]));
      feature += p->inputs;
      time += p->memory;
      state += p->memory;
    }
    output[unit] = output_value(p, acc);
  }
}

void tinyops_svdf_int8(const tinyops_svdf_params *p, const int8_t *input,
                       const TINYOPS_FLASH int8_t *feature,
                       const TINYOPS_FLASH int32_t *feature_bias, const TINYOPS_FLASH int8_t *time,
                       const TINYOPS_FLASH int32_t *bias, int8_t *state, int8_t *output) {
  const int32_t last = p->memory - 1;
  for (int32_t unit = 0; unit < p->units; ++unit) {
    int32_t acc = bias[unit];
    for (int32_t i = 0; i < p->rank; ++i) {
      const int32_t value = new_feature(p, input, feature, *feature_bias++, INT8_MIN, INT8_MAX);
      for (int32_t k = 0; k < last; ++k) {
        state[k] = state[k + 1];
      }
      state[last] = (int8_t)(uint8_t)(value + p->state_zero_point); /* wraps, as above */
      acc = tinyops_dot(state, time, p->memory, acc);
      feature += p->inputs;
      time += p->memory;
      state += p->memory;
    }
    output[unit] = output_value(p, acc);
  }
}
