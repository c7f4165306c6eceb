#include "tinyops/kernels/lstm.h"

#include <string.h>

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/dot.h"

/* 1 / (1 + exp(-i / 24)) in 1/65536, as the interpreter has it: up to 1.2 above the exact value
 * where the curve bends, so that straight lines between two of them stay close to it. */
static const uint16_t sigmoids[256] = {
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
static int32_t sigmoid_at(uint32_t at, int32_t bits) {
  const uint32_t low = sigmoids[at >> bits];
  const uint32_t high = sigmoids[(at >> bits) + 1u];
  return (int32_t)((low << bits) + (at & ((1u << bits) - 1u)) * (high - low));
}

/* 1 / (1 + exp(-x)) in 2^-15, x in 2^-12 of int16's range. A step of the table is 4096 / 24 of x,
 * or 512 of 3x. */
static int32_t sigmoid(int32_t x) {
  const int32_t scaled = 3 * x;
  const int32_t result = sigmoid_at((uint32_t)(scaled < 0 ? -scaled : scaled), 9);
  const int32_t one = (int32_t)1 << 25;
  return (scaled < 0 ? one - result + 511 : result + 512) >> 10;
}

/* tanh(x) = 2 / (1 + exp(-2x)) - 1 in 2^-15, x in 1/6144: a step of the table is 256 of it. */
static int32_t tanh_of(int32_t x) {
  const uint32_t magnitude = (uint32_t)(x < 0 ? -x : x);
  const int32_t result = magnitude >> 8 >= 255u ? (int32_t)0xffff00 : sigmoid_at(magnitude, 8);
  const int32_t half = (int32_t)1 << 23;
  return (x < 0 ? half - result + 127 : result - half + 128) >> 8;
}

static int32_t int16_of(int32_t value) { return tinyops_clamp(value, INT16_MIN, INT16_MAX); }

/* What goes into a gate's curve, in 2^-12. `weights` (inputs + units), `bias` (2). */
static int32_t gate_input(const tinyops_lstm_params *p, const tinyops_lstm_gate *gate,
                          const int8_t *input, const int8_t *hidden, const int8_t *weights,
                          const int32_t *bias) {
  const int32_t from_input = tinyops_dot(input, weights, p->inputs, bias[0]);
  const int32_t from_hidden = tinyops_dot(hidden, weights + p->inputs, p->units, bias[1]);
  const int32_t a = tinyops_multiply(from_input, gate->input_multiplier, gate->input_shift);
  const int32_t b = tinyops_multiply(from_hidden, gate->hidden_multiplier, gate->hidden_shift);
  return int16_of(int16_of(a) + int16_of(b));
}

/* The next value of a cell from its gates in 2^-15. */
static int32_t next_cell(const tinyops_lstm_params *p, int32_t cell, int32_t forget, int32_t input,
                         int32_t candidate) {
  enum { HALF = 1 << 30, FORGET_SHIFT = -14 }; /* 2^-15 */
  const int32_t kept = int16_of(tinyops_multiply(forget * cell, HALF, FORGET_SHIFT));
  const int32_t update =
      int16_of(tinyops_multiply(input * candidate, p->update_multiplier, p->update_shift));
  return tinyops_clamp(int16_of(kept + update), p->cell_min, p->cell_max);
}

/* The cell's value as tanh_of takes it. */
static int32_t tanh_of_cell(const tinyops_lstm_params *p, int32_t cell) {
  const int32_t half = p->cell_shift > 0 ? (int32_t)1 << (p->cell_shift - 1) : 0;
  return tanh_of((cell * p->cell_multiplier + half) >> p->cell_shift);
}

void tinyops_lstm(const tinyops_lstm_params *p, const int8_t *input, const int8_t *weights,
                  const int32_t *bias, int8_t *hidden, int16_t *cell, int8_t *output) {
  const int32_t width = p->inputs + p->units;
  for (int32_t step = 0; step < p->steps; ++step) {
    const int8_t *w = weights;
    const int32_t *b = bias;
    for (int32_t i = 0; i < p->units; ++i, w += 4 * width, b += 8) {
      const int32_t forget = gate_input(p, &p->forget, input, hidden, w, b);
      const int32_t in = gate_input(p, &p->input, input, hidden, w + width, b + 2);
      const int32_t candidate = gate_input(p, &p->cell, input, hidden, w + 2 * width, b + 4);
      const int32_t out = gate_input(p, &p->output, input, hidden, w + 3 * width, b + 6);
      cell[i] =
          (int16_t)next_cell(p, cell[i], sigmoid(forget), sigmoid(in), tanh_of(3 * candidate));
      output[i] = tinyops_requantise(tanh_of_cell(p, cell[i]) * sigmoid(out), p->hidden_multiplier,
                                     p->hidden_shift, p->hidden_zero_point, INT8_MIN, INT8_MAX);
    }
    memcpy(hidden, output, (size_t)p->units);
    input += p->inputs;
    output += p->units;
  }
}
