#include "tinyops/kernels/lstm.h"

#include <string.h>

#include "tinyops/kernels/dot.h"
#include "tinyops/kernels/lstm_cell.h"

void tinyops_lstm(const tinyops_lstm_params *p, const int8_t *input,
                  const TINYOPS_FLASH int8_t *weights, const TINYOPS_FLASH int32_t *bias,
                  int8_t *hidden, int16_t *cell, int8_t *output) {
  for (int32_t step = 0; step < p->steps; ++step) {
    const TINYOPS_FLASH int8_t *w = weights;
    const TINYOPS_FLASH int32_t *b = bias;
    for (int32_t i = 0; i < p->units; ++i) {
      int32_t from_input[4];
      int32_t from_hidden[4];
      for (int32_t gate = 0; gate < 4; ++gate, w += p->inputs) {
        from_input[gate] = tinyops_dot(input, w, p->inputs, *b++);
      }
      for (int32_t gate = 0; gate < 4; ++gate, w += p->units) {
        from_hidden[gate] = tinyops_dot(hidden, w, p->units, *b++);
      }
      output[i] = tinyops_lstm_answer(p, from_input, from_hidden, &cell[i]);
    }
    memcpy(hidden, output, (size_t)p->units);
    input += p->inputs;
    output += p->units;
  }
}
