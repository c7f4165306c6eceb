#include "tinyops/kernels/exponential.h"
#include "tinyops/kernels/softmax.h"

/* tinyops_rounding_shift of a value that is not negative, by 1..31. */
static int32_t rounded(int32_t value, int32_t exponent) {
  return (int32_t)(((uint32_t)value + ((uint32_t)1 << (exponent - 1))) >> exponent);
}

static void softmax_row(const int8_t *input, const int32_t *exps, int32_t count, int8_t *output,
                        int32_t depth) {
  int32_t largest = INT8_MIN;
  for (int32_t i = 0; i < depth; ++i) {
    largest = input[i] > largest ? input[i] : largest;
  }
  int32_t sum = 0;
  for (int32_t i = 0; i < depth; ++i) {
    const int32_t below = largest - input[i];
    if (below < count) {
      sum += rounded(exps[below], TINYOPS_SUM_INTEGER_BITS);
    }
  }
  const tinyops_inverse_sum inverse = tinyops_inverse_of_sum(sum, 8);
  if (inverse.shift > 31) { /* all round to 0 */
    count = 0;
  }
  for (int32_t i = 0; i < depth; ++i) {
    const int32_t below = largest - input[i];
    int32_t value = INT8_MIN;
    if (below < count) {
      value += rounded(tinyops_high_mul(inverse.scale, exps[below]), inverse.shift);
    }
    output[i] = (int8_t)(value > INT8_MAX ? INT8_MAX : value);
  }
}

void tinyops_softmax_table(const tinyops_softmax_table_params *p, const int8_t *input,
                           const int32_t *exps, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->depth, output += p->depth) {
    softmax_row(input, exps, p->count, output, p->depth);
  }
}
