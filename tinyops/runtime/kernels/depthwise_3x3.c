#include "tinyops/kernels/depthwise_3x3.h"

#include "tinyops/kernels/packed.h"

/* One channel's constants. The assembly below knows the order. */
typedef struct {
  int32_t bias;
  tinyops_packed_factor factor;
  int32_t step;       /* between outputs; 0: keep only the first of a pair */
  const int16_t *end; /* of the first row, where no whole pair is left */
  uint32_t pairs[3];  /* of each row of weights, the first two */
  uint32_t thirds;    /* the third of the first row and of the second */
  uint32_t last;      /* the third of the third row */
  const int16_t *all; /* `end`, or a stride behind it where a single output is left */
  int32_t stride;
} channel;

static inline int32_t low(uint32_t word) { return (int16_t)word; }

static inline int32_t high(uint32_t word) { return (int16_t)(word >> 16); }

#if TINYOPS_DSP
/* In: the next output in r0, where the rows are read in r1..r3, the channel in r4. Out: the same.
 * Sums of the two outputs are in r10 and r11. */
#define REQUANTISE(acc)        \
  "add " acc ", " acc ", " acc \
  ", asr #31\n\t"              \
  "add " acc ", " acc          \
  ", lr\n\t"                   \
  "asr " acc ", " acc          \
  ", r12\n\t"                  \
  "ssat " acc ", #8, " acc "\n\t"
#define PAIRS(ROW, back) \
  "push {r7}\n\t" /* r7 may be the frame pointer: saved by hand */          \
  "add lr, r4, #24\n\t"                                                     \
  "ldmia lr, {r5, r6, r7, r8, r9}\n"                                        \
  "1:\n\t"                                                                  \
  "ldr r10, [r4]\n\t"                                                       \
  "mov r11, r10\n\t" ROW("r1", "r5", "r8", "b") ROW("r2", "r6", "r8", "t") \
      ROW("r3", "r7", "r9", "b")                                            \
  "ldrd r12, lr, [r4, #4]\n\t" /* multiplier, nudge */                      \
  "lsl r10, r10, #1\n\t"                                                    \
  "smmulr r10, r10, r12\n\t"                                                \
  "lsl r11, r11, #1\n\t"                                                    \
  "smmulr r11, r11, r12\n\t"                                                \
  "ldr r12, [r4, #12]\n\t" /* shift */                                      \
  REQUANTISE("r10") REQUANTISE("r11")                                       \
  "ldrd r12, lr, [r4, #16]\n\t" /* step, end */                             \
  "strb r11, [r0, r12]\n\t"                                                 \
  "strb r10, [r0]\n\t"                                                      \
  "add r0, r0, r12, lsl #1\n\t"                                             \
  "cmp r1, lr\n\t"                                                          \
  "blo 1b\n\t"                                                              \
  "ldr lr, [r4, #44]\n\t" /* all */                                         \
  "cmp r1, lr\n\t"                                                          \
  "itttt ne\n\t" /* the last one, with the one before it once more */       \
  "subne r1, #" back "\n\t"                                                 \
  "subne r2, #" back "\n\t"                                                 \
  "subne r3, #" back "\n\t"                                                 \
  "subne r0, r12\n\t"                                                       \
  "bne 1b\n\t"                                                              \
  "pop {r7}"
/* Of x0..x3 the one output sees x0..x2, the other x1..x3. */
#define ROW_1(at, pair, third, low) \
  "ldr r12, [" at                   \
  "], #4\n\t"                       \
  "ldr lr, [" at                    \
  "]\n\t"                           \
  "smlad r10, r12, " pair           \
  ", r10\n\t"                       \
  "smlatb r11, r12, " pair          \
  ", r11\n\t"                       \
  "smlab" low " r10, lr, " third    \
  ", r10\n\t"                       \
  "smlabt r11, lr, " pair           \
  ", r11\n\t"                       \
  "smlat" low " r11, lr, " third ", r11\n\t"
/* Of x0..x4 the one output sees x0..x2, the other x2..x4. */
#define ROW_2(at, pair, third, low) \
  "ldr r12, [" at                   \
  "], #4\n\t"                       \
  "ldr lr, [" at                    \
  "], #4\n\t"                       \
  "smlad r10, r12, " pair           \
  ", r10\n\t"                       \
  "ldr r12, [" at                   \
  "]\n\t"                           \
  "smlad r11, lr, " pair            \
  ", r11\n\t"                       \
  "smlab" low " r10, lr, " third    \
  ", r10\n\t"                       \
  "smlab" low " r11, r12, " third ", r11\n\t"
#endif

/* Two outputs side by side at a time; a single one at the end with the one before it, once more. */
static TINYOPS_APART void row_of_pairs(const channel *k, const int16_t *x, const int16_t *y,
                                       const int16_t *z, int8_t *output) {
#if TINYOPS_DSP
  register int8_t *r0 __asm__("r0") = output;
  register const int16_t *r1 __asm__("r1") = x;
  register const int16_t *r2 __asm__("r2") = y;
  register const int16_t *r3 __asm__("r3") = z;
  register const channel *r4 __asm__("r4") = k;
  if (k->stride == 1) {
    __asm__ volatile(PAIRS(ROW_1, "2")
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                     : "r"(r4)
                     : "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
  } else {
    __asm__ volatile(PAIRS(ROW_2, "4")
                     : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3)
                     : "r"(r4)
                     : "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
  }
#else
  const int32_t stride = k->stride;
  for (;;) {
    const int16_t *const at[3] = {x, y, z};
    const int32_t third[3] = {low(k->thirds), high(k->thirds), low(k->last)};
    int32_t a = k->bias, b = k->bias;
    for (int32_t i = 0; i < 3; ++i) {
      const int16_t *const next = at[i] + stride;
      a += at[i][0] * low(k->pairs[i]) + at[i][1] * high(k->pairs[i]) + at[i][2] * third[i];
      b += next[0] * low(k->pairs[i]) + next[1] * high(k->pairs[i]) + next[2] * third[i];
    }
    output[k->step] = tinyops_packed_requantise(b, k->factor);
    output[0] = tinyops_packed_requantise(a, k->factor);
    int32_t further = 2;
    if (x + 2 * stride >= k->end) {
      if (x + 2 * stride == k->all) {
        return;
      }
      further = 1;
    }
    x += further * stride;
    y += further * stride;
    z += further * stride;
    output += further * k->step;
  }
#endif
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
      .step = p->window.out_w == 1 ? 0 : p->output.value,
      .end = 0,
      .pairs = {tinyops_pair(w[0], w[1]), tinyops_pair(w[3], w[4]), tinyops_pair(w[6], w[7])},
      .thirds = tinyops_pair(w[2], w[5]),
      .last = tinyops_pair(w[8], 0),
      .all = 0,
      .stride = p->window.stride_w,
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
  const int32_t all = (g->out_w == 1 ? 2 : g->out_w) * g->stride_w;
  const int32_t whole = all & -2 * g->stride_w;
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
    k->end = rows[0] + whole;
    k->all = rows[0] + all;
    row_of_pairs(k, rows[0], rows[1], rows[2], output);
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
