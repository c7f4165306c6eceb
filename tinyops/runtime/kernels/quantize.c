#include "tinyops/kernels/quantize.h"

#include <string.h>

#include "tinyops/fixed_point.h"

/* A float32's bits as an unsigned number that grows with it. */
static uint32_t ordered_key(const float *value) {
  uint32_t bits;
  memcpy(&bits, value, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

void tinyops_quantize(const tinyops_edge_params *p, const float *input, const uint32_t *thresholds,
                      int8_t *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    const uint32_t key = ordered_key(&input[i]);
    int32_t level = 0; /* thresholds that are reached: a binary search over all 255 */
    for (int32_t step = 128; step > 0; step >>= 1) {
      if (key >= thresholds[level + step - 1]) {
        level += step;
      }
    }
    output[i] = (int8_t)(level + INT8_MIN);
  }
}

void tinyops_dequantize(const tinyops_edge_params *p, const int8_t *input, const float *table,
                        float *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    output[i] = table[(uint8_t)input[i]];
  }
}

void tinyops_requantize_int16(const tinyops_requantize_params *p, const int16_t *input,
                              int8_t *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    output[i] = tinyops_requantise(input[i] - p->input_zero_point, p->multiplier, p->shift,
                                   p->output_zero_point, INT8_MIN, INT8_MAX);
  }
}
