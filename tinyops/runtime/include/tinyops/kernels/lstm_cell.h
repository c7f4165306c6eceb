/* What the LSTM kernels share: curves, and what makes a cell's values of its gates. */
#ifndef TINYOPS_KERNELS_LSTM_CELL_H
#define TINYOPS_KERNELS_LSTM_CELL_H

#include <stdint.h>

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/lstm.h"
#include "tinyops/kernels/packed.h"

/* 1 / (1 + exp(-i / 24)) in 1/65536, as the interpreter has it: up to 1.2 above the exact value
 * where the curve bends, so that straight lines between two of them stay close to it. */
static const uint16_t tinyops_lstm_sigmoids[256] = {
    32768, 33451, 34133, 34813, 35493, 36169, 36843, 37513, 38180, 38841, 39498, 40149, 40794,
    41432, 42064, 42688, 43304, 43912, 44511, 45102, 45683, 46255, 46817, 47369, 47911, 48443,
    48964, 49475, 49975, 50464, 50942, 51409, 51865, 52311, 52745, 53169, 53581, 53983, 54374,
    54755, 55125, 55485, 55834, 56174, 56503, 56823, 57133, 57433, 57724, 58007, 58280, 58544,
    58800, 59048, 59288, 59519, 59743, 59959, 60168, 60370, 60565, 60753, 60935, 61110, 61279,
    61441, 61599, 61750, 61896, 62036, 62172, 62302, 62428, 62549, 62666, 62778, 62886, 62990,
    63090, 63186, 63279, 63368, 63454, 63536, 63615, 63691, 63765, 63835, 63903, 63968, 64030,
    64090, 64148, 64204, 64257, 64308, 64357, 64405, 64450, 64494, 64536, 64576, 64614, 64652,
    64687, 64721, 64754, 64786, 64816, 64845, 64873, 64900, 64926, 64950, 64974, 64997, 65019,
    65039, 65060, 65079, 65097, 65115, 65132, 65149, 65164, 65179, 65194, 65208, 65221, 65234,
    65246, 65258, 65269, 65280, 65291, 65301, 65310, 65319, 65328, 65337, 65345, 65352, 65360,
    65367, 65374, 65381, 65387, 65393, 65399, 65404, 65410, 65415, 65420, 65425, 65429, 65433,
    65438, 65442, 65445, 65449, 65453, 65456, 65459, 65462, 65465, 65468, 65471, 65474, 65476,
    65479, 65481, 65483, 65485, 65488, 65489, 65491, 65493, 65495, 65497, 65498, 65500, 65501,
    65503, 65504, 65505, 65507, 65508, 65509, 65510, 65511, 65512, 65513, 65514, 65515, 65516,
    65517, 65517, 65518, 65519, 65520, 65520, 65521, 65522, 65522, 65523, 65523, 65524, 65524,
    65525, 65525, 65526, 65526, 65526, 65527, 65527, 65528, 65528, 65528, 65529, 65529, 65529,
    65529, 65530, 65530, 65530, 65530, 65531, 65531, 65531, 65531, 65531, 65532, 65532, 65532,
    65532, 65532, 65532, 65533, 65533, 65533, 65533, 65533, 65533, 65533, 65533, 65534, 65534,
    65534, 65534, 65534, 65534, 65534, 65534, 65534, 65534, 65535,
};

/* Between two values of the table; `at` has `bits` bits behind the point, so has the result. */
static inline int32_t tinyops_lstm_sigmoid_at(uint32_t at, int32_t bits) {
  const uint32_t low = tinyops_lstm_sigmoids[at >> bits];
  const uint32_t high = tinyops_lstm_sigmoids[(at >> bits) + 1u];
  return (int32_t)((low << bits) + (at & ((1u << bits) - 1u)) * (high - low));
}

/* 1 / (1 + exp(-x)) in 2^-15, x in 2^-12 of int16's range. A step of the table is 4096 / 24 of x,
 * or 512 of 3x. */
static TINYOPS_APART int32_t tinyops_lstm_sigmoid(int32_t x) {
  const int32_t scaled = 3 * x;
  const int32_t result = tinyops_lstm_sigmoid_at((uint32_t)(scaled < 0 ? -scaled : scaled), 9);
  const int32_t one = (int32_t)1 << 25;
  return (scaled < 0 ? one - result + 511 : result + 512) >> 10;
}

/* tanh(x) = 2 / (1 + exp(-2x)) - 1 in 2^-15, x in 1/6144: a step of the table is 256 of it. */
static inline int32_t tinyops_lstm_tanh(int32_t x) {
  const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
  const int32_t result =
      magnitude >> 8 >= 255u ? (int32_t)0xffff00 : tinyops_lstm_sigmoid_at(magnitude, 8);
  const int32_t half = (int32_t)1 << 23;
  return (x < 0 ? half - result + 127 : result - half + 128) >> 8;
}

static inline int32_t tinyops_lstm_int16_of(int32_t value) {
  return tinyops_clamp(value, INT16_MIN, INT16_MAX);
}

/* What goes into a gate's curve, in 2^-12, from sums of products with the input and the hidden
 * state. */
static TINYOPS_APART int32_t tinyops_lstm_gate_input(const tinyops_lstm_gate *gate,
                                                     int32_t from_input, int32_t from_hidden) {
  const int32_t a = tinyops_multiply(from_input, gate->input_multiplier, gate->input_shift);
  const int32_t b = tinyops_multiply(from_hidden, gate->hidden_multiplier, gate->hidden_shift);
  return tinyops_lstm_int16_of(tinyops_lstm_int16_of(a) + tinyops_lstm_int16_of(b));
}

/* The next value of a cell from its gates in 2^-15. */
static inline int32_t tinyops_lstm_next_cell(const tinyops_lstm_params *p, int32_t cell,
                                             int32_t forget, int32_t input, int32_t candidate) {
  const int32_t half = (int32_t)1 << 30; /* with a shift of -14: 2^-15 */
  const int32_t kept = tinyops_lstm_int16_of(tinyops_multiply(forget * cell, half, -14));
  const int32_t update = tinyops_lstm_int16_of(
      tinyops_multiply(input * candidate, p->update_multiplier, p->update_shift));
  return tinyops_clamp(tinyops_lstm_int16_of(kept + update), p->cell_min, p->cell_max);
}

/* The cell's value as tinyops_lstm_tanh takes it. */
static inline int32_t tinyops_lstm_tanh_of_cell(const tinyops_lstm_params *p, int32_t cell) {
  const int32_t half = p->cell_shift > 0 ? (int32_t)1 << (p->cell_shift - 1) : 0;
  return tinyops_lstm_tanh((cell * p->cell_multiplier + half) >> p->cell_shift);
}

/* One unit's answer from sums of products with the input and with the hidden state, of the forget,
 * input, cell and output gate. Updates its cell. */
static inline int8_t tinyops_lstm_answer(const tinyops_lstm_params *p, const int32_t from_input[4],
                                         const int32_t from_hidden[4], int16_t *cell) {
  const int32_t forget = tinyops_lstm_gate_input(&p->forget, from_input[0], from_hidden[0]);
  const int32_t input = tinyops_lstm_gate_input(&p->input, from_input[1], from_hidden[1]);
  const int32_t candidate = tinyops_lstm_gate_input(&p->cell, from_input[2], from_hidden[2]);
  const int32_t output = tinyops_lstm_gate_input(&p->output, from_input[3], from_hidden[3]);
  *cell = (int16_t)tinyops_lstm_next_cell(p, *cell, tinyops_lstm_sigmoid(forget),
                                          tinyops_lstm_sigmoid(input),
                                          tinyops_lstm_tanh(3 * candidate));
  const int32_t product = tinyops_lstm_tanh_of_cell(p, *cell) * tinyops_lstm_sigmoid(output);
  return tinyops_requantise(product, p->hidden_multiplier, p->hidden_shift, p->hidden_zero_point,
                            INT8_MIN, INT8_MAX);
}

#endif
