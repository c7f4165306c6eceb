#include "tinyops/kernels/depthwise_3x3.h"

#include "tinyops/kernels/packed.h"

/* One channel's constants. The assembly below knows the order. */
typedef struct {
  int32_t bias;
  tinyops_packed_factor factor;
  int32_t step;       /* between outputs; 0: keep only the first of two */
  const int16_t *end; /* of the first row, where the loop stops */
  uint32_t pairs[3];  /* of each row of weights, the first two */
  uint32_t thirds;    /* the third of the first row and of the second */
  uint32_t last;      /* the third of the third row */
} channel;

/* Two neighbours of a row. */
static inline uint32_t two(const int16_t *at) {
  uint32_t word;
  memcpy(&word, at, 4);
  return word;
}

static inline int32_t low(uint32_t word) { return (int16_t)word; }

static inline int32_t high(uint32_t word) { return (int16_t)(word >> 16); }

static inline int32_t dual(uint32_t a, uint32_t b, int32_t acc) {
#if TINYOPS_DSP
  return __smlad((int16x2_t)a, (int16x2_t)b, acc);
#else
  return acc + low(a) * low(b) + high(a) * high(b);
#endif
}

/* Two outputs side by side at a time, stride 1: of x0..x3 in each row, the one sees x0..x2, the
 * other x1..x3. */
static TINYOPS_APART void stride_1(const channel *k, const int16_t *x, const int16_t *y,
                                   const int16_t *z, int8_t *output) {
#if TINYOPS_DSP
  register int8_t *r0 __asm__("r0") = output;
  register const int16_t *r1 __asm__("r1") = x;
  register const int16_t *r2 __asm__("r2") = y;
  register const int16_t *r3 __asm__("r3") = z;
  register const channel *r4 __asm__("r4") = k;
#define ROW(at, pair, third, low) \
  "ldr r12, [" at                 \
  "], #4\n\t"                     \
  "ldr lr, [" at                  \
  "]\n\t"                         \
  "smlad r10, r12, " pair         \
  ", r10\n\t"                     \
  "smlatb r11, r12, " pair        \
  ", r11\n\t"                     \
  "smlab" low " r10, lr, " third  \
  ", r10\n\t"                     \
  "smlabt r11, lr, " pair         \
  ", r11\n\t"                     \
  "smlat" low " r11, lr, " third ", r11\n\t"
#define REQUANTISE(acc)        \
  "add " acc ", " acc ", " acc \
  ", asr #31\n\t"              \
  "add " acc ", " acc          \
  ", lr\n\t"                   \
  "asr " acc ", " acc          \
  ", r12\n\t"                  \
  "ssat " acc ", #8, " acc "\n\t"
  __asm__ volatile(
      "push {r7}\n\t" /* r7 may be the frame pointer: saved by hand */
      "add lr, r4, #24\n\t"
      "ldmia lr, {r5, r6, r7, r8, r9}\n"
      "1:\n\t"
      "ldr r10, [r4]\n\t"
      "mov r11, r10\n\t" ROW("r1", "r5", "r8", "b") ROW("r2", "r6", "r8", "t") ROW("r3", "r7", "r9", "b")
      "ldrd r12, lr, [r4, #4]\n\t" /* multiplier, nudge */
      "lsl r10, r10, #1\n\t"
      "smmulr r10, r10, r12\n\t"
      "lsl r11, r11, #1\n\t"
      "smmulr r11, r11, r12\n\t"
      "ldr r12, [r4, #12]\n\t" /* shift */
      REQUANTISE("r10") REQUANTISE("r11")
      "ldrd r12, lr, [r4, #16]\n\t" /* step, end */
      "strb r11, [r0, r12]\n\t"
      "strb r10, [r0]\n\t"
      "add r0, r0, r12, lsl #1\n\t"
      "cmp r1, lr\n\t"
      "bne 1b\n\t"
      "pop {r7}"
      : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
      : "r"(r4)
      : "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef ROW
#undef REQUANTISE
#else
  for (; x != k->end; x += 2, y += 2, z += 2, output += 2 * k->step) {
    const int16_t *const at[3] = {x, y, z};
    const int32_t third[3] = {low(k->thirds), high(k->thirds), low(k->last)};
    int32_t a = k->bias, b = k->bias;
    for (int32_t i = 0; i < 3; ++i) {
      a = dual(two(at[i]), k->pairs[i], a) + at[i][2] * third[i];
      b = dual(two(at[i] + 1), k->pairs[i], b) + at[i][3] * third[i];
    }
    output[k->step] = tinyops_packed_requantise(b, k->factor);
    output[0] = tinyops_packed_requantise(a, k->factor);
  }
#endif
}

/* The last output of a row of odd length comes with the one before it, which is there already. */
static inline void row_stride_1(channel *k, int16_t *const rows[3], int32_t out_w, int8_t *output) {
  const int32_t end = out_w & -2;
  if (end > 0) {
    k->end = rows[0] + end;
    stride_1(k, rows[0], rows[1], rows[2], output);
  }
  if (end < out_w) {
    const int32_t step = k->step;
    const int32_t begin = out_w > 1 ? out_w - 2 : 0;
    k->end = rows[0] + begin + 2;
    k->step = out_w > 1 ? step : 0;
    stride_1(k, rows[0] + begin, rows[1] + begin, rows[2] + begin, output + begin * step);
    k->step = step;
  }
}

/* One output at a time, stride 2: x0..x2 of each row. */
static TINYOPS_APART void row_stride_2(const channel *k, int16_t *const rows[3], int32_t out_w,
                                       int8_t *output) {
  const int16_t *x = rows[0], *y = rows[1], *z = rows[2];
  const channel c = *k;
  const int32_t first = low(c.thirds), second = high(c.thirds), third = low(c.last);
  for (const int16_t *end = x + 2 * out_w; x != end; x += 2, y += 2, z += 2, output += c.step) {
    int32_t acc = dual(two(x), c.pairs[0], c.bias);
    acc = dual(two(y), c.pairs[1], acc);
    acc = dual(two(z), c.pairs[2], acc);
    acc += x[2] * first + y[2] * second + z[2] * third;
    *output = tinyops_packed_requantise(acc, c.factor);
  }
}

/* One channel of an input row as int16; `step` is between pixels. */
static inline void load_row(const int8_t *from, int32_t step, int32_t count, int16_t *to) {
#if TINYOPS_DSP
  int32_t a, b, c, d;
  __asm__ volatile(
      "subs %[count], #4\n\t"
      "blt 2f\n"
      "1:\n\t"
      "ldrsb %[a], [%[from]]\n\t"
      "ldrsb %[b], [%[from], %[step]]\n\t"
      "add %[from], %[from], %[step], lsl #1\n\t"
      "ldrsb %[c], [%[from]]\n\t"
      "ldrsb %[d], [%[from], %[step]]\n\t"
      "add %[from], %[from], %[step], lsl #1\n\t"
      "pkhbt %[a], %[a], %[b], lsl #16\n\t"
      "str %[a], [%[to]], #4\n\t"
      "pkhbt %[c], %[c], %[d], lsl #16\n\t"
      "str %[c], [%[to]], #4\n\t"
      "subs %[count], #4\n\t"
      "bge 1b\n"
      "2:\n\t"
      "adds %[count], #4\n\t"
      "beq 4f\n"
      "3:\n\t"
      "ldrsb %[a], [%[from]]\n\t"
      "add %[from], %[step]\n\t"
      "strh %[a], [%[to]], #2\n\t"
      "subs %[count], #1\n\t"
      "bne 3b\n"
      "4:"
      : [from] "+r"(from), [count] "+r"(count), [to] "+r"(to), [a] "=&r"(a), [b] "=&r"(b),
        [c] "=&r"(c), [d] "=&r"(d)
      : [step] "r"(step)
      : "cc", "memory");
#else
  for (; count > 0; --count, from += step) {
    *to++ = *from;
  }
#endif
}

static inline void fill_row(int32_t value, int32_t count, int16_t *to) {
  for (; count > 0; --count) {
    *to++ = (int16_t)value;
  }
}

static channel channel_of(const tinyops_depthwise_3x3_params *p, const int8_t *w, int32_t bias,
                          int32_t multiplier, int32_t shift) {
  const channel k = {
      .bias = bias,
      .factor = tinyops_packed_factor_of(multiplier, shift, 2 * p->output_zero_point + 1),
      .step = p->output.value,
      .pairs = {tinyops_pair(w[0], w[1]), tinyops_pair(w[3], w[4]), tinyops_pair(w[6], w[7])},
      .thirds = tinyops_pair(w[2], w[5]),
      .last = tinyops_pair(w[8], 0),
  };
  return k;
}

/* One channel of the image; `rows` are three rows' places, used in turn. */
static inline void one_channel(const tinyops_depthwise_3x3_params *p, channel *k,
                               const int8_t *input, int16_t *rows[3], int8_t *output) {
  const tinyops_window *g = &p->window;
  const int32_t room = p->row_values - g->pad_left;
  const int32_t count = g->in_w < room ? g->in_w : room;
  const int8_t *from = input - g->pad_top * p->input.row;
  int32_t next = -g->pad_top;
  int32_t missing = 3;
  for (int32_t oy = 0; oy < g->out_h; ++oy, output += p->output.row) {
    for (; missing > 0; --missing, ++next, from += p->input.row) {
      int16_t *const oldest = rows[0];
      rows[0] = rows[1];
      rows[1] = rows[2];
      rows[2] = oldest;
      if (next >= 0 && next < g->in_h) {
        load_row(from, p->input.value, count, oldest + g->pad_left);
      } else {
        fill_row(p->input_zero_point, count, oldest + g->pad_left);
      }
    }
    if (g->stride_w == 1) {
      row_stride_1(k, rows, g->out_w, output);
    } else {
      row_stride_2(k, rows, g->out_w, output);
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
    channel k = channel_of(p, weights + 9 * c, bias[c], multiplier[at], shift[at]);
    one_channel(p, &k, input + c, rows, output + c);
  }
  tinyops_packed_clamp(output, g->out_h * g->out_w * g->out_c, p->min, p->max);
}
