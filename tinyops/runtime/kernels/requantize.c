#include <string.h>

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/quantize.h"

/* Element i. Elements of both sides may share bytes, so that they are copied and not cast. */
static int32_t load(const void *from, int32_t i, int32_t bytes) {
  const int8_t *at = (const int8_t *)from + i * bytes;
  int16_t narrow;
  int32_t wide;
  if (bytes == 1) {
    return *at;
  }
  if (bytes == 2) {
    memcpy(&narrow, at, sizeof narrow);
    return narrow;
  }
  memcpy(&wide, at, sizeof wide);
  return wide;
}

static void store(void *to, int32_t i, int32_t bytes, int32_t value) {
  int8_t *at = (int8_t *)to + i * bytes;
  if (bytes == 1) {
    *at = (int8_t)value;
  } else if (bytes == 2) {
    const int16_t narrow = (int16_t)value;
    memcpy(at, &narrow, sizeof narrow);
  } else {
    memcpy(at, &value, sizeof value);
  }
}

void tinyops_requantize(const tinyops_requantize_params *p, const void *input, void *output) {
  for (int32_t i = 0; i < p->count; ++i) {
    /* Both sums wrap, like the interpreter's. */
    const uint32_t value = (uint32_t)load(input, i, p->input_bytes);
    const uint32_t scaled = (uint32_t)tinyops_multiply(
        (int32_t)(value - (uint32_t)p->input_zero_point), p->multiplier, p->shift);
    const int32_t moved = (int32_t)(scaled + (uint32_t)p->output_zero_point);
    store(output, i, p->output_bytes, tinyops_clamp(moved, p->min, p->max));
  }
}
