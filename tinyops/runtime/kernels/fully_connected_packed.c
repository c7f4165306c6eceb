#include "tinyops/kernels/fully_connected_packed.h"

#include "tinyops/kernels/four_rows.h"

/* Four outputs, or what is left of them, of one input vector. `rest` are the values beyond the last
 * eight, zeros behind them. Returns the next outputs' weights. */
static inline const int32_t *four_outputs(const tinyops_fully_connected_packed_params *p,
                                          const int8_t *input, const int8_t rest[8],
                                          const int32_t *w, const int32_t *bias,
                                          const int32_t *multiplier, const int8_t *shift,
                                          int32_t count, int8_t *output) {
  const int32_t bias_step = 2 * p->output_zero_point + 1;
  int32_t acc[4] = {0};
  if (count == 4) {
    memcpy(acc, bias, sizeof acc);
  } else {
    for (int32_t k = 0; k < count; ++k) {
      acc[k] = bias[k];
    }
  }
  w = tinyops_dot_four(input, rest, w, p->inputs, acc);
  for (int32_t k = 0; k < count; ++k) {
    output[k] =
        tinyops_packed_requantise(acc[k], tinyops_packed_factor_of(*multiplier, *shift, bias_step));
    multiplier += p->channel_step;
    shift += p->channel_step;
  }
  return w;
}

void tinyops_fully_connected_packed(const tinyops_fully_connected_packed_params *p,
                                    const int8_t *input, const int32_t *weights,
                                    const int32_t *bias, const int32_t *multiplier,
                                    const int8_t *shift, int8_t *output) {
  for (int32_t row = 0; row < p->rows; ++row, input += p->inputs, output += p->outputs) {
    int8_t rest[8];
    tinyops_rest_of(input, p->inputs, rest);
    const int32_t *w = weights;
    int32_t i = 0;
    for (; i + 4 <= p->outputs; i += 4) {
      const int32_t at = i * p->channel_step;
      w = four_outputs(p, input, rest, w, bias + i, multiplier + at, shift + at, 4, output + i);
    }
    if (i < p->outputs) {
      const int32_t at = i * p->channel_step;
      four_outputs(p, input, rest, w, bias + i, multiplier + at, shift + at, p->outputs - i,
                   output + i);
    }
    tinyops_packed_clamp(output, p->outputs, p->min, p->max);
  }
}
