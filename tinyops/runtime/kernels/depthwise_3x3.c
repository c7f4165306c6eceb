#include "tinyops/kernels/depthwise_3x3.h"

#include "tinyops/kernels/packed.h"

/* The nine weights of a channel: of each row, the first two as a pair, and the third. */
typedef struct {
  uint32_t pair[3];
  int32_t third[3];
} taps;

/* One channel's constants. */
typedef struct {
  taps weights;
  int32_t bias;
  tinyops_packed_factor factor;
} channel;

/* Two neighbours of a row. */
static inline uint32_t two(const int16_t *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word;
}

static inline int32_t dual(uint32_t a, uint32_t b, int32_t acc) {
#if TINYOPS_DSP
  return __smlad((int16x2_t)a, (int16x2_t)b, acc);
#else
  return acc + (int16_t)a * (int16_t)b + (int16_t)(a >> 16) * (int16_t)(b >> 16);
#endif
}

/* acc + low half of a * low half of b; the next two: high * low, low * high. */
static inline int32_t low_low(uint32_t a, uint32_t b, int32_t acc) {
#if TINYOPS_DSP
  return __smlabb((int32_t)a, (int32_t)b, acc);
#else
  return acc + (int16_t)a * (int16_t)b;
#endif
}

static inline int32_t high_low(uint32_t a, uint32_t b, int32_t acc) {
#if TINYOPS_DSP
  return __smlatb((int32_t)a, (int32_t)b, acc);
#else
  return acc + (int16_t)(a >> 16) * (int16_t)b;
#endif
}

static inline int32_t low_high(uint32_t a, uint32_t b, int32_t acc) {
#if TINYOPS_DSP
  return __smlabt((int32_t)a, (int32_t)b, acc);
#else
  return acc + (int16_t)a * (int16_t)(b >> 16);
#endif
}

/* Two outputs side by side, stride 1: of each row x0..x3, the one sees x0..x2, the other x1..x3. */
static void row_stride_1(const channel *k, const int16_t *const rows[3], int32_t out_w,
                         int32_t step, int8_t *output) {
  const int16_t *x = rows[0], *y = rows[1], *z = rows[2];
  const taps t = k->weights;
  const tinyops_packed_factor f = k->factor;
  for (; out_w > 0; out_w -= 2, output += 2 * step) {
    int32_t a = k->bias, b = k->bias;
#define ROW(at, i)                                      \
  do {                                                  \
    const uint32_t left = two(at), right = two(at + 2); \
    at += 2;                                            \
    a = dual(left, t.pair[i], a);                       \
    b = high_low(left, t.pair[i], b);                   \
    a = low_low(right, (uint32_t)t.third[i], a);        \
    b = low_high(right, t.pair[i], b);                  \
    b = high_low(right, (uint32_t)t.third[i], b);       \
  } while (0)
    ROW(x, 0);
    ROW(y, 1);
    ROW(z, 2);
#undef ROW
    output[0] = tinyops_packed_requantise(a, f);
    if (out_w > 1) {
      output[step] = tinyops_packed_requantise(b, f);
    }
  }
}

/* One output at a time, stride 2: of each row x0..x3, of which x3 is the next one's. */
static void row_stride_2(const channel *k, const int16_t *const rows[3], int32_t out_w,
                         int32_t step, int8_t *output) {
  const int16_t *x = rows[0], *y = rows[1], *z = rows[2];
  const taps t = k->weights;
  const tinyops_packed_factor f = k->factor;
  for (; out_w > 0; --out_w, output += step) {
    int32_t a = dual(two(x), t.pair[0], k->bias);
    int32_t b = dual(two(y), t.pair[1], 0);
    a = dual(two(z), t.pair[2], a);
    x += 2;
    y += 2;
    z += 2;
    b = low_low(two(x), (uint32_t)t.third[0], b);
    a = low_low(two(y), (uint32_t)t.third[1], a);
    b = low_low(two(z), (uint32_t)t.third[2], b);
    *output = tinyops_packed_requantise(a + b, f);
  }
}

/* One channel of input row y as int16, between what is padding left and right. */
static void load_row(const tinyops_depthwise_3x3_params *p, const int8_t *image, int32_t y,
                     int16_t *to) {
  const tinyops_window *g = &p->window;
  const int32_t room = p->row_values - g->pad_left;
  const int32_t count = g->in_w < room ? g->in_w : room;
  const int32_t step = g->in_c;
  int16_t *const end = to + g->pad_left + count;
  to += g->pad_left;
  if (y < 0 || y >= g->in_h) {
    while (to != end) {
      *to++ = (int16_t)p->input_zero_point;
    }
    return;
  }
  image += y * g->in_w * step;
  for (; end - to >= 4; to += 4) {
    to[0] = *image;
    image += step;
    to[1] = *image;
    image += step;
    to[2] = *image;
    image += step;
    to[3] = *image;
    image += step;
  }
  for (; to != end; image += step) {
    *to++ = *image;
  }
}

static channel channel_of(const tinyops_depthwise_3x3_params *p, const int8_t *w, int32_t bias,
                          int32_t multiplier, int32_t shift) {
  channel k;
  for (int32_t i = 0; i < 3; ++i, w += 3) {
    k.weights.pair[i] = tinyops_pair(w[0], w[1]);
    k.weights.third[i] = w[2];
  }
  k.bias = bias;
  k.factor = tinyops_packed_factor_of(multiplier, shift, 2 * p->output_zero_point + 1);
  return k;
}

/* One channel of the image; `rows` are three rows' places, used in turn. */
static void one_channel(const tinyops_depthwise_3x3_params *p, const channel *k,
                        const int8_t *input, int16_t *rows[3], int8_t *output) {
  const tinyops_window *g = &p->window;
  int32_t next = -g->pad_top;
  int32_t missing = 3;
  for (int32_t oy = 0; oy < g->out_h; ++oy, output += g->out_w * g->out_c) {
    for (; missing > 0; --missing, ++next) {
      int16_t *const oldest = rows[0];
      rows[0] = rows[1];
      rows[1] = rows[2];
      rows[2] = oldest;
      load_row(p, input, next, oldest);
    }
    const int16_t *const seen[3] = {rows[0], rows[1], rows[2]};
    if (g->stride_w == 1) {
      row_stride_1(k, seen, g->out_w, g->out_c, output);
    } else {
      row_stride_2(k, seen, g->out_w, g->out_c, output);
    }
    missing = g->stride_h;
  }
}

void tinyops_depthwise_3x3(const tinyops_depthwise_3x3_params *p, const int8_t *input,
                           const int8_t *weights, const int32_t *bias, const int32_t *multiplier,
                           const int8_t *shift, int8_t *output, int16_t *scratch) {
  const tinyops_window *g = &p->window;
  int16_t *rows[3] = {scratch, scratch + p->row_values, scratch + 2 * p->row_values};
  for (int32_t i = 0; i < 3 * p->row_values; ++i) {
    scratch[i] = (int16_t)p->input_zero_point;
  }
  for (int32_t c = 0; c < g->out_c; ++c) {
    const int32_t at = c * p->channel_step;
    const channel k = channel_of(p, weights + 9 * c, bias[c], multiplier[at], shift[at]);
    one_channel(p, &k, input + c, rows, output + c);
  }
  tinyops_packed_clamp(output, g->out_h * g->out_w * g->out_c, p->min, p->max);
}
