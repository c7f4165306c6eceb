/* A layer of LSTM cells that runs over a sequence, int8 with a cell state of int16. */
#ifndef TINYOPS_KERNELS_LSTM_H
#define TINYOPS_KERNELS_LSTM_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t input_multiplier, input_shift;   /* from products with the input to 2^-12 */
  int32_t hidden_multiplier, hidden_shift; /* from products with the hidden state to 2^-12 */
} tinyops_lstm_gate;

typedef struct {
  int32_t steps;  /* vectors of the input */
  int32_t inputs; /* values in each */
  int32_t units;
  tinyops_lstm_gate forget, input, cell, output;
  int32_t update_multiplier, update_shift; /* input gate times cell gate, to the cell's scale */
  int32_t cell_min, cell_max;
  int32_t cell_multiplier,
      cell_shift; /* the cell's value to steps of 1/2048: v * multiplier >> shift */
  int32_t hidden_multiplier, hidden_shift, hidden_zero_point; /* of what the layer answers */
} tinyops_lstm_params;

/* output (steps, units) = what the layer answers to input (steps, inputs). `hidden` (units), the
 * last answer, and `cell` (units) are kept from one call to the next.
 *
 * `weights`: for each unit those of the input (4, inputs), then those of the hidden state (4,
 * units), of its forget, input, cell and output gate. `bias` (units, 2, 4) in the same order: the
 * gate's bias minus the input's zero point times the weights; minus the hidden state's zero point
 * times the weights.
 *
 * A vector of the input is read until the last value of its answer is written. `output` may start
 * as far before `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_lstm(const tinyops_lstm_params *p, const int8_t *input,
                                   const TINYOPS_FLASH int8_t *weights,
                                   const TINYOPS_FLASH int32_t *bias, int8_t *hidden, int16_t *cell,
                                   int8_t *output);

/* The same for cores with the DSP extension: rows of weights are filled up with zeros to a multiple
 * of 8, and a word of four values of each of the four rows follows the other. */
TINYOPS_INTERNAL void tinyops_lstm_packed(const tinyops_lstm_params *p, const int8_t *input,
                                          const int32_t *weights, const int32_t *bias,
                                          int8_t *hidden, int16_t *cell, int8_t *output);

#endif
