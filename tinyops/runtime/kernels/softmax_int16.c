#include "tinyops/kernels/softmax_int16.h"

#include "tinyops/fixed_point.h"

#define CENTRE 98304 /* 1.5 in steps of 2^-16 */

/* `value` may be beyond int16, where the table's ends are meant. */
static int32_t interpolated(int32_t value, const int16_t *table) {
  const int32_t at = tinyops_clamp(value, INT16_MIN, INT16_MAX);
  const int16_t *base = table + 256 + (at >> 7);
  return base[0] + ((((int32_t)base[1] - base[0]) * (at & 0x7f) + 64) >> 7);
}

static int32_t largest(const int16_t *values, int32_t count) {
  int32_t found = INT16_MIN;
  for (int32_t i = 0; i < count; ++i) {
    found = values[i] > found ? values[i] : found;
  }
  return found;
}

/* Exponentials of a row as Q0.15; returns their sum, which is at least 32767. */
static uint32_t exponentials(const tinyops_softmax_int16_wide_params *p, const int16_t *input,
                             const int16_t *exps, int16_t *output) {
  const int32_t top = largest(input, p->depth);
  int32_t sum = 0;
  for (int32_t i = 0; i < p->depth; ++i) {
    const int32_t below = tinyops_multiply((int32_t)input[i] - top, p->multiplier, p->shift);
    output[i] = (int16_t)interpolated(below + INT16_MAX, exps);
    sum += output[i];
  }
  return (uint32_t)sum;
}

void tinyops_softmax_int16_wide(const tinyops_softmax_int16_wide_params *p, const int16_t *input,
                                const int16_t *exps, const int16_t *reciprocals, int16_t *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->depth, output += p->depth) {
    uint32_t sum = exponentials(p, input, exps, output);
    int32_t shift = 30; /* of the products, to the right: less the sum's leading zeros */
    for (; sum < (uint32_t)1 << 30; sum <<= 1) {
      --shift;
    }
    /* 1 + x in steps of 2^-16, and what the table has for x, which is centred. */
    const int32_t ones = (int32_t)((sum + ((uint32_t)1 << 13)) >> 14);
    const int32_t factor = interpolated(ones - CENTRE, reciprocals);
    for (int32_t i = 0; i < p->depth; ++i) {
      const int32_t value = ((int32_t)output[i] * factor + ((int32_t)1 << (shift - 1))) >> shift;
      output[i] = (int16_t)tinyops_clamp(value, 0, INT16_MAX);
    }
  }
}
