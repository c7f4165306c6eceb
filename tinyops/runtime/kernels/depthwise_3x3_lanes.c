#include "tinyops/kernels/depthwise_3x3_lanes.h"

#include "tinyops/kernels/lanes.h"

enum { ROWS = 3, WHOLE = 1, BY_COLUMNS = 2 };

/* One row of a channel's outputs. The assembly below knows the order. */
typedef struct {
  int32_t bias;
  int32_t pieces[3];  /* of the multiplier: bits 0 to 9, 10 to 19, 20 to 30 */
  int32_t zero_point; /* of the output, + 128 */
  int32_t shift;
  int32_t step;           /* from a pixel to the next */
  const int32_t *weights; /* of the first column, in the order in which the three rows lie */
  const uint32_t *x_end;
  uintptr_t loop;    /* of the assembly */
  const uint32_t *x; /* columns of three words, each of two lanes */
  int32_t back;      /* in bytes: from behind a window to the next one's first column */
  int32_t apart;     /* from the output of the lower lane to that of the upper */
  int8_t *output;
  int32_t code;
} work;

/* A column's weights, and two again, so that the oldest row may lie at any of three places. */
enum { COLUMN_WEIGHTS = 5 };

static TINYOPS_APART void multiply_row(work *k) {
#if TINYOPS_V6M
  register work *r0 __asm__("r0") = k;
/* r0: the window's next column; r5: weights; r6, r7: sums, as words and of the upper lanes, where
 * several blocks make up a sum that of the words is r8. */
#define FACTOR(value, place) \
  "ldr r4, [r5, #" place     \
  "]\n\t"                    \
  "muls " value ", r4, " value "\n\t"
#define FIRST_COLUMN(a, b, c) \
  "ldmia r0!, {r1, r2, r6}\n\t" FACTOR("r1", a) FACTOR("r2", b) FACTOR("r6", c) \
  "adds r6, r6, r1\n\t"                                                \
  "adds r6, r6, r2\n\t"
#define NEXT_COLUMN(a, b, c) \
  "ldmia r0!, {r1, r2, r3}\n\t" FACTOR("r1", a) FACTOR("r2", b) FACTOR("r3", c) \
  "adds r6, r6, r1\n\t"                                                \
  "adds r6, r6, r2\n\t"                                                \
  "adds r6, r6, r3\n\t"
/* The last bit that is shifted out is the lower lane's sign: with it, the upper lane is whole. */
#define TAKE(sums)       \
  "add r8, " sums        \
  "\n\t"                 \
  "asrs " sums ", " sums \
  ", #16\n\t"            \
  "adcs r7, " sums "\n\t"
#define PAIRS_COLUMN(a, b, c)                                                                    \
  "ldmia r0!, {r1, r2, r6}\n\t" FACTOR("r1", a) FACTOR("r2", b) "adds r2, r2, r1\n\t" TAKE("r2") \
      FACTOR("r6", c) TAKE("r6")
/* tinyops_packed_requantise of r0 into its lowest byte, for |r0| < 2^20; r1 and r2 are lost. r3,
 * r4, r5: pieces of the multiplier; r6: zero point + 128; r7: shift. An accumulator's sign is its
 * product's, or the product rounds to 0 with either. */
#define REQUANTISE       \
  "movs r1, r0\n\t"      \
  "muls r1, r3, r1\n\t"  \
  "asrs r1, r1, #10\n\t" \
  "movs r2, r0\n\t"      \
  "muls r2, r4, r2\n\t"  \
  "adds r1, r1, r2\n\t"  \
  "asrs r1, r1, #10\n\t" \
  "muls r0, r5, r0\n\t"  \
  "adds r0, r0, r1\n\t"  \
  "asrs r1, r0, #31\n\t" \
  "asrs r0, r0, #11\n\t" \
  "adcs r0, r1\n\t"      \
  "asrs r0, r7\n\t"      \
  "adcs r0, r6\n\t" TINYOPS_LANES_CLAMP
  __asm__ volatile(
      ".syntax unified\n\t"
      "push {r7}\n\t" /* r7 may be the frame pointer: saved by hand */
      "mov lr, r0\n\t"
      "ldr r1, [r0, #44]\n\t"
      "mov r9, r1\n\t"
      "ldr r1, [r0, #48]\n\t"
      "mov r12, r1\n\t"
      "ldr r1, [r0, #52]\n\t"
      "mov r10, r1\n\t"
      "ldr r2, [r0, #56]\n\t" /* code */
      "adr r1, 3f\n\t"
      "cmp r2, #2\n\t"
      "blo 1f\n\t"
      "adr r1, 4f\n\t"
      "beq 1f\n\t"
      "adr r1, 5f\n"
      "1:\n\t"
      "str r1, [r0, #36]\n\t"
      "ldr r5, [r0, #28]\n\t"
      "ldr r0, [r0, #40]\n\t"
      "mov pc, r1\n\t"
      ".p2align 2\n"
      "3:\n\t" /* all in a block */
      FIRST_COLUMN("0", "4", "8") NEXT_COLUMN("20", "24", "28") NEXT_COLUMN("40", "44", "48")
      "asrs r7, r6, #16\n\t"
      "movs r1, #0\n\t"
      "adcs r7, r1\n\t"
      "b 6f\n\t"
      ".p2align 2\n"
      "4:\n\t" /* a column in a block */
      FIRST_COLUMN("0", "4", "8")
      "mov r8, r6\n\t"
      "asrs r7, r6, #16\n\t"
      "movs r1, #0\n\t"
      "adcs r7, r1\n\t" FIRST_COLUMN("20", "24", "28") TAKE("r6") FIRST_COLUMN("40", "44", "48") TAKE("r6")
      "mov r6, r8\n\t"
      "b 6f\n\t"
      ".p2align 2\n"
      "5:\n\t" /* two in a block */
      "movs r7, #0\n\t"
      "mov r8, r7\n\t" PAIRS_COLUMN("0", "4", "8") PAIRS_COLUMN("20", "24", "28") PAIRS_COLUMN("40", "44", "48")
      "mov r6, r8\n"
      "6:\n\t"
      "lsls r1, r7, #16\n\t"
      "subs r6, r6, r1\n\t"
      "mov r8, r6\n\t"
      "add r0, r9\n\t"
      "mov r11, r0\n\t"
      "movs r0, r7\n\t"
      "mov r1, lr\n\t"
      "ldmia r1!, {r2, r3, r4, r5, r6, r7}\n\t"
      "adds r0, r0, r2\n\t"
      "add r8, r2\n\t" REQUANTISE
      "mov r1, r10\n\t"
      "mov r2, r12\n\t"
      "strb r0, [r1, r2]\n\t"
      "mov r0, r8\n\t" REQUANTISE
      "mov r1, r10\n\t"
      "strb r0, [r1]\n\t"
      "mov r1, lr\n\t"
      "ldr r2, [r1, #24]\n\t" /* step */
      "add r10, r2\n\t"
      "ldr r5, [r1, #28]\n\t"
      "ldr r2, [r1, #32]\n\t" /* x_end */
      "ldr r1, [r1, #36]\n\t" /* loop */
      "mov r0, r11\n\t"
      "cmp r0, r2\n\t"
      "beq 7f\n\t"
      "mov pc, r1\n"
      "7:\n\t"
      "pop {r7}"
      : "+r"(r0)
      :
      : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef FACTOR
#undef FIRST_COLUMN
#undef NEXT_COLUMN
#undef TAKE
#undef PAIRS_COLUMN
#undef REQUANTISE
#else
  const int32_t multiplier = k->pieces[0] | k->pieces[1] << 10 | k->pieces[2] << 20;
  const uint32_t *x = k->x;
  for (int8_t *output = k->output; x != k->x_end; output += k->step, x += 9 + k->back / 4) {
    int32_t low = k->bias, high = k->bias;
    for (int32_t i = 0; i < 9; ++i) {
      const int32_t w = k->weights[i / ROWS * COLUMN_WEIGHTS + i % ROWS];
      low += tinyops_lanes_low(x[i]) * w;
      high += tinyops_lanes_high(x[i]) * w;
    }
    output[k->apart] =
        tinyops_requantise(high, multiplier, -k->shift, k->zero_point - 128, INT8_MIN, INT8_MAX);
    output[0] =
        tinyops_requantise(low, multiplier, -k->shift, k->zero_point - 128, INT8_MIN, INT8_MAX);
  }
#endif
}

/* Where a row's columns come from; each column is read for two outputs' windows. */
typedef struct {
  int32_t step;           /* from a pixel to the next */
  int32_t apart;          /* from the value of the lower lane to that of the upper */
  int32_t left;           /* columns before the input, for the lower lane */
  int32_t both, low_only; /* three times the columns that follow: inside for both; for the lower */
  int32_t zero_point;
} source;

static source source_of(const tinyops_depthwise_3x3_lanes_params *p) {
  const tinyops_window *g = &p->window;
  const int32_t apart = g->out_w / 2 * g->stride_w;
  const int32_t end = g->in_w + g->pad_left;
  const int32_t both_end = end - apart < p->columns ? end - apart : p->columns;
  const source s = {
      .step = g->in_c,
      .apart = apart * g->in_c,
      .left = g->pad_left,
      .both = ROWS * (both_end - g->pad_left),
      .low_only = ROWS * ((end < p->columns ? end : p->columns) - both_end),
      .zero_point = p->input_zero_point,
  };
  return s;
}

/* One channel of an input row, at every third word from `to`. The columns behind those stay. */
static TINYOPS_APART void load_row(const source *s, const int8_t *from, uint32_t *to) {
  const int32_t step = s->step, apart = s->apart;
  const uint32_t outside = (uint32_t)s->zero_point, outside_high = outside << 16;
  const uint32_t *end = to + ROWS * s->left;
  for (from -= s->left * step; to != end; from += step, to += ROWS) {
    *to = outside + ((uint32_t)from[apart] << 16);
  }
  for (end = to + s->both; to != end; from += step, to += ROWS) {
    *to = tinyops_lanes_of(from[0], from[apart]);
  }
  for (end = to + s->low_only; to != end; from += step, to += ROWS) {
    *to = (uint32_t)from[0] + outside_high;
  }
}

static void fill_row(int32_t value, int32_t columns, uint32_t *to) {
  const uint32_t word = tinyops_lanes_of(value, value);
  for (; columns > 0; --columns, to += ROWS) {
    *to = word;
  }
}

/* One channel of the image. `weights` are of three columns. */
static TINYOPS_APART void one_channel(const tinyops_depthwise_3x3_lanes_params *p, const source *s,
                                      const int32_t *weights, work *k, const int8_t *input,
                                      uint32_t *rows) {
  const tinyops_window *g = &p->window;
  const int32_t row_step = g->in_w * g->in_c;
  const int8_t *from = input - g->pad_top * row_step;
  int32_t next = -g->pad_top;
  int32_t missing = ROWS;
  int32_t oldest = 0; /* of the rows' places */
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    for (; missing > 0; --missing, ++next, from += row_step) {
      if (next >= 0 && next < g->in_h) {
        load_row(s, from, rows + oldest);
      } else {
        fill_row(s->zero_point, p->columns, rows + oldest);
      }
      oldest = oldest == ROWS - 1 ? 0 : oldest + 1;
    }
    k->weights = weights + (oldest == 0 ? 0 : ROWS - oldest);
    multiply_row(k);
    k->output += g->out_w * g->out_c;
    missing = g->stride_h;
  }
}

void tinyops_depthwise_3x3_lanes(const tinyops_depthwise_3x3_lanes_params *p, const int8_t *input,
                                 const int8_t *weights, const int32_t *constants,
                                 const uint8_t *shift, int8_t *output, uint32_t *scratch) {
  const tinyops_window *g = &p->window;
  const source s = source_of(p);
  const int32_t window_step = ROWS * g->stride_w;
  for (int32_t i = 0; i < ROWS; ++i) {
    fill_row(s.zero_point, p->columns, scratch + i);
  }
  for (int32_t c = 0; c < g->out_c; ++c, weights += 9, constants += 2) {
    int32_t columns[3 * COLUMN_WEIGHTS];
    for (int32_t i = 0; i < COLUMN_WEIGHTS; ++i) {
      const int8_t *row = weights + (i < ROWS ? i : i - ROWS) * 3;
      columns[i] = row[0];
      columns[COLUMN_WEIGHTS + i] = row[1];
      columns[2 * COLUMN_WEIGHTS + i] = row[2];
    }
    work k = {
        .bias = constants[0],
        .pieces = {constants[1] & 1023, constants[1] >> 10 & 1023, constants[1] >> 20},
        .zero_point = p->output_zero_point + 128,
        .shift = shift[c] >> TINYOPS_LANES_CODE_BITS,
        .step = g->out_c,
        .weights = columns,
        .x_end = scratch + (g->out_w + 1) / 2 * window_step,
        .loop = 0,
        .x = scratch,
        .back = 4 * (window_step - 9),
        .apart = g->out_w / 2 * g->out_c,
        .output = output + c,
        .code = shift[c] & ((1 << TINYOPS_LANES_CODE_BITS) - 1),
    };
    one_channel(p, &s, columns, &k, input + c, scratch);
  }
  tinyops_packed_clamp(output, g->out_h * g->out_w * g->out_c, p->min, p->max);
}
