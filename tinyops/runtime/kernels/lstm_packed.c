#include <string.h>

#include "tinyops/kernels/four_rows.h"
#include "tinyops/kernels/lstm.h"
#include "tinyops/kernels/lstm_cell.h"

/* tinyops_dot_four, once in the program. */
static TINYOPS_APART const int32_t *dot_four(const int8_t *x, const int8_t rest[8],
                                             const int32_t *w, int32_t count, int32_t acc[4]) {
  return tinyops_dot_four(x, rest, w, count, acc);
}

void tinyops_lstm_packed(const tinyops_lstm_params *p, const int8_t *input, const int32_t *weights,
                         const int32_t *bias, int8_t *hidden, int16_t *cell, int8_t *output) {
  for (int32_t step = 0; step < p->steps; ++step) {
    const int32_t *w = weights;
    const int32_t *b = bias;
    int8_t input_rest[8];
    int8_t hidden_rest[8];
    tinyops_rest_of(input, p->inputs, input_rest);
    tinyops_rest_of(hidden, p->units, hidden_rest);
    for (int32_t i = 0; i < p->units; ++i, b += 8) {
      int32_t from_input[4];
      int32_t from_hidden[4];
      memcpy(from_input, b, sizeof from_input);
      memcpy(from_hidden, b + 4, sizeof from_hidden);
      w = dot_four(input, input_rest, w, p->inputs, from_input);
      w = dot_four(hidden, hidden_rest, w, p->units, from_hidden);
      output[i] = tinyops_lstm_answer(p, from_input, from_hidden, &cell[i]);
    }
    memcpy(hidden, output, (size_t)p->units);
    input += p->inputs;
    output += p->units;
  }
}
