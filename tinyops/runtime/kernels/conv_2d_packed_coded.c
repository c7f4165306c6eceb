#include "tinyops/kernels/conv_2d_packed_coded.h"

#include "tinyops/kernels/coded.h"
#include "tinyops/kernels/conv_2d_pairs.h"

enum { PIXELS = 8, DECODED_WORDS = 128, CONSTANTS = 5 };

/* What stays the same, and where it is. */
typedef struct {
  const tinyops_conv_2d_packed_params *p;
  const int8_t *input;
  int8_t *output;
  uint32_t *scratch;
  int8_t *bytes;
  const int32_t *pairs; /* decoded */
  int32_t pair_words;
} work;

/* `values` weights, a multiple of 8, at a word's address. */
static void decode_words(const uint8_t *codes, const int8_t *table, int32_t values, int32_t *to) {
  for (; values > 0; values -= 4, codes += 2, ++to) {
    const uint32_t two = codes[0], other = codes[1];
    *to = (int32_t)((uint32_t)(uint8_t)table[two & 15u] | (uint32_t)(uint8_t)table[two >> 4] << 8 |
                    (uint32_t)(uint8_t)table[other & 15u] << 16 |
                    (uint32_t)(uint8_t)table[other >> 4] << 24);
  }
}

/* `count` pairs of filters as tinyops_multiply_pairs reads them. */
static void decode_pairs(const work *k, const uint8_t *codes, const int8_t *table,
                         const int32_t *constants, int32_t count, int32_t *to) {
  const int32_t values = 2 * k->p->filter_values;
  for (; count > 0; --count, codes += values / 2, constants += CONSTANTS, to += k->pair_words) {
    to[0] = constants[0];
    to[1] = constants[1];
    decode_words(codes, table, values, to + 2);
    memcpy(to + 2 + values / 4, constants + 2, 3 * sizeof *constants);
  }
}

/* Channels from `channel` on, of as many filters as `count` pairs are, for pixels `from` to `end`.
 */
static void multiply_pixels(const work *k, int32_t from, int32_t end, int32_t channel,
                            int32_t count) {
  const tinyops_window *g = &k->p->window;
  const int32_t bias_step = 2 * k->p->output_zero_point + 1;
  const uint32_t *const x_end = k->scratch + k->p->filter_values;
  const int32_t whole = (g->out_c - channel) / 2 < count ? (g->out_c - channel) / 2 : count;
  const int32_t *const odd = k->pairs + whole * k->pair_words; /* a channel left over */
  int32_t oy = from / g->out_w, ox = from - oy * g->out_w;
  for (int32_t pixel = from; pixel < end; pixel += 2) {
    int8_t *const first = k->output + pixel * g->out_c + channel;
    /* A pixel left over is computed twice. */
    int8_t *const second = pixel + 1 < end ? first + g->out_c : first;
    for (int32_t i = 0; i < 2; ++i) {
      tinyops_gather_window(k->p, k->input, oy, ox, k->scratch + 2 * i, k->bytes);
      if ((i == 1 || second != first) && ++ox == g->out_w) {
        ox = 0;
        ++oy;
      }
    }
    if (whole > 0) {
      tinyops_multiply_pairs(k->scratch, x_end, k->pairs, odd, bias_step, first, second);
    }
    if (whole < count) {
      int8_t two[4];
      tinyops_multiply_pairs(k->scratch, x_end, odd, odd + k->pair_words, bias_step, two, two + 2);
      first[2 * whole] = two[0];
      second[2 * whole] = two[2];
    }
  }
}

void tinyops_conv_2d_packed_coded(const tinyops_conv_2d_packed_params *p, const int8_t *input,
                                  const uint8_t *codes, const int8_t *table,
                                  const int32_t *constants, int8_t *output, uint32_t *scratch) {
  const tinyops_window *g = &p->window;
  const int32_t pixels = g->out_h * g->out_w, pairs = (g->out_c + 1) / 2;
  const int32_t pair_words = p->filter_values / 2 + CONSTANTS;
  const int32_t held = pair_words < DECODED_WORDS ? DECODED_WORDS / pair_words : 1;
  uint32_t *const rest = scratch + p->filter_values;
  int32_t *const decoded = (int32_t *)(rest + (g->in_c % 4 ? p->filter_values / 4 : 0));
  const work k = {p, input, output, scratch, (int8_t *)rest, decoded, pair_words};
  for (int32_t from = 0; from < pixels; from += PIXELS) {
    const int32_t end = pixels - from < PIXELS ? pixels : from + PIXELS;
    for (int32_t pair = 0; pair < pairs; pair += held) {
      const int32_t count = pairs - pair < held ? pairs - pair : held;
      decode_pairs(&k, codes + pair * p->filter_values, table, constants + pair * CONSTANTS, count,
                   decoded);
      multiply_pixels(&k, from, end, 2 * pair, count);
    }
  }
  tinyops_packed_clamp(output, pixels * g->out_c, p->min, p->max);
}
