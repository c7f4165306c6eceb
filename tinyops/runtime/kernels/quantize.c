#include "tinyops/kernels/quantize.h"

#include <string.h>

/* A float32's bits as an unsigned number that grows with it. */
static uint32_t ordered_key(const float *value) {
  uint32_t bits;
  memcpy(&bits, value, sizeof bits);
  return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}

void tinyops_quantize(const tinyops_quantize_params *p, const float *input,
                      const uint32_t *thresholds, int8_t *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    const uint32_t key = ordered_key(&input[i]);
    if (key - p->least > p->span) {
      output[i] = (int8_t)p->otherwise;
      continue;
    }
    int32_t level = 0; /* thresholds that are reached: a binary search over all 255 */
    for (int32_t step = 128; step > 0; step >>= 1) {
      if (key >= thresholds[level + step - 1]) {
        level += step;
      }
    }
    output[i] = (int8_t)(level + INT8_MIN);
  }
}
