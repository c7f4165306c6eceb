#include "tinyops/kernels/conv_2d_lanes.h"

#include "tinyops/kernels/lanes.h"

enum { PIXELS = 4, FILTERS = 8 }; /* pixels at a time; filters that lie together */

/* All filters for four pixels. The assembly below knows the order. */
typedef struct {
  const uint32_t *x, *x_end; /* the pixels' windows: two words of two lanes for each value */
  const int8_t *weights;     /* of the filter that is next */
  const uint8_t *shift;
  const int32_t *constants;
  int32_t zero_point; /* of the output, + 128 */
  int32_t index;      /* of the filter that is next */
  int32_t count;      /* of filters */
  int32_t group_step; /* from behind a group's last filter to the next group */
  int8_t *output[PIXELS];
} work;

static TINYOPS_APART void multiply_filters(work *k) {
#if TINYOPS_V6M
  register work *r0 __asm__("r0") = k;
/* r0: where the windows are read; r1: how far behind it the weights lie, which go as fast; r7:
 * 2^15. A block's sums are r5 and r6, with two lanes each. r8, r9 collect whole words, which holds
 * the lower lanes modulo 2^32 once r10, r11, the upper lanes, are known. All
 * begin with the bias. */
#define FIRST               \
  "ldrsb r2, [r0, r1]\n\t"  \
  "ldmia r0!, {r5, r6}\n\t" \
  "muls r5, r2, r5\n\t"     \
  "muls r6, r2, r6\n\t"
#define NEXT                \
  "ldrsb r2, [r0, r1]\n\t"  \
  "ldmia r0!, {r3, r4}\n\t" \
  "muls r3, r2, r3\n\t"     \
  "muls r4, r2, r4\n\t"     \
  "adds r5, r5, r3\n\t"     \
  "adds r6, r6, r4\n\t"
#define LAST             \
  "add r8, r5\n\t"       \
  "add r9, r6\n\t"       \
  "adds r5, r5, r7\n\t"  \
  "adds r6, r6, r7\n\t"  \
  "asrs r5, r5, #16\n\t" \
  "asrs r6, r6, #16\n\t" \
  "add r10, r5\n\t"      \
  "add r11, r6\n\t"
#define TWO_MORE NEXT NEXT
#define FOUR_MORE TWO_MORE TWO_MORE
#define OUTPUT(place)      \
  TINYOPS_LANES_REQUANTISE \
  "mov r1, lr\n\t"         \
  "ldr r1, [r1, #" place   \
  "]\n\t"                  \
  "strb r0, [r1, r3]\n\t"
/* The lower lane's sum is what the whole words hold beside the upper's. */
#define OUTPUTS(words, upper, low_place, high_place) \
  "mov r0, " words                                   \
  "\n\t"                                             \
  "mov r1, " upper                                   \
  "\n\t"                                             \
  "lsls r1, r1, #16\n\t"                             \
  "subs r0, r0, r1\n\t" OUTPUT(low_place) "mov r0, " upper "\n\t" OUTPUT(high_place)
  __asm__ volatile(
      ".syntax unified\n\t"
      "push {r7}\n\t" /* r7 may be the frame pointer: saved by hand */
      "mov lr, r0\n"
      "1:\n\t"
      "mov r3, lr\n\t"
      "ldmia r3!, {r0, r2, r4, r5, r6}\n\t"
      "mov r12, r2\n\t"
      "subs r1, r4, r0\n\t"
      "ldrb r2, [r5]\n\t"
      "movs r7, #128\n\t"
      "lsls r7, r7, #8\n\t"
      "ldr r4, [r6]\n\t" /* bias */
      "lsls r5, r4, #16\n\t"
      "adds r5, r5, r4\n\t"
      "mov r8, r5\n\t"
      "mov r9, r5\n\t"
      "mov r10, r4\n\t"
      "mov r11, r4\n\t"
      "lsls r2, r2, #29\n\t"
      "bne 2f\n\t"
      "b 6f\n"
      "2:\n\t"
      "bpl 2f\n\t"
      "b 5f\n"
      "2:\n\t"
      "lsls r2, r2, #1\n\t"
      "bpl 3f\n\t"
      "lsls r2, r2, #1\n\t"
      "bpl 4f\n"
      "2:\n\t" FIRST NEXT TWO_MORE FOUR_MORE LAST
      "cmp r0, r12\n\t"
      "bne 2b\n\t"
      "b 6f\n"
      "3:\n\t" FIRST NEXT LAST FIRST NEXT LAST
      "cmp r0, r12\n\t"
      "bne 3b\n\t"
      "b 6f\n"
      "4:\n\t" FIRST NEXT TWO_MORE LAST
      "cmp r0, r12\n\t"
      "bne 4b\n\t"
      "b 6f\n"
      "5:\n\t" FIRST NEXT TWO_MORE FOUR_MORE FOUR_MORE FOUR_MORE LAST
      "cmp r0, r12\n\t"
      "bne 5b\n"
      "6:\n\t"
      "mov r3, lr\n\t"
      "ldr r2, [r3, #12]\n\t" /* shift */
      "ldrb r7, [r2]\n\t"
      "lsrs r7, r7, #3\n\t"
      "adds r2, #1\n\t"
      "str r2, [r3, #12]\n\t"
      "ldr r2, [r3, #16]\n\t" /* bias, multiplier */
      "ldmia r2!, {r4, r5}\n\t"
      "str r2, [r3, #16]\n\t"
      "uxth r4, r5\n\t"
      "lsrs r5, r5, #16\n\t"
      "ldr r6, [r3, #20]\n\t" /* zero point */
      "ldr r3, [r3, #24]\n\t" /* index */
      OUTPUTS("r8", "r10", "36", "40") OUTPUTS("r9", "r11", "44", "48")
      "mov r1, lr\n\t"
      "adds r3, #1\n\t"
      "str r3, [r1, #24]\n\t"
      "ldr r0, [r1, #8]\n\t" /* weights */
      "adds r0, #1\n\t"
      "lsls r2, r3, #29\n\t"
      "bne 7f\n\t"
      "ldr r2, [r1, #32]\n\t" /* group_step */
      "adds r0, r0, r2\n"
      "7:\n\t"
      "str r0, [r1, #8]\n\t"
      "ldr r2, [r1, #28]\n\t" /* count */
      "cmp r2, r3\n\t"
      "beq 8f\n\t"
      "b 1b\n"
      "8:\n\t"
      "pop {r7}"
      : "+r"(r0)
      :
      : "r1", "r2", "r3", "r4", "r5", "r6", "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef FIRST
#undef NEXT
#undef LAST
#undef TWO_MORE
#undef FOUR_MORE
#undef OUTPUT
#undef OUTPUTS
#else
  for (; k->index < k->count; ++k->index, ++k->shift, k->constants += 2) {
    int32_t acc[PIXELS] = {k->constants[0], k->constants[0], k->constants[0], k->constants[0]};
    const int8_t *w = k->weights;
    for (const uint32_t *x = k->x; x != k->x_end; x += 2, w += FILTERS) {
      acc[0] += tinyops_lanes_low(x[0]) * *w;
      acc[1] += tinyops_lanes_high(x[0]) * *w;
      acc[2] += tinyops_lanes_low(x[1]) * *w;
      acc[3] += tinyops_lanes_high(x[1]) * *w;
    }
    k->weights += k->index % FILTERS == FILTERS - 1 ? k->group_step + 1 : 1;
    for (int32_t i = 0; i < PIXELS; ++i) {
      k->output[i][k->index] =
          tinyops_requantise(acc[i], k->constants[1], -(*k->shift >> TINYOPS_LANES_CODE_BITS),
                             k->zero_point - 128, INT8_MIN, INT8_MAX);
    }
  }
#endif
}

/* One output pixel's window in the input. `image` is tap (0, 0), which may lie outside. */
typedef struct {
  const int8_t *image;
  tinyops_taps rows, columns; /* inside */
} view;

/* Where the next output pixel is, and what its row's windows have in common. */
typedef struct {
  int32_t oy, ox;
  const int8_t *image; /* tap (0, 0) of the row's first window */
  tinyops_taps rows;
} cursor;

static void start_row(const tinyops_window *g, const int8_t *input, cursor *at) {
  const int32_t y0 = at->oy * g->stride_h - g->pad_top;
  at->ox = 0;
  at->image = input + (y0 * g->in_w - g->pad_left) * g->in_c;
  at->rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, g->dilation_h);
}

static view view_at(const tinyops_window *g, const cursor *at) {
  const int32_t x = at->ox * g->stride_w;
  const view v = {
      .image = at->image + x * g->in_c,
      .rows = at->rows,
      .columns = tinyops_taps_inside(x - g->pad_left, g->in_w, g->kernel_w, g->dilation_w),
  };
  return v;
}

/* `count` values of two windows, a word each; `to` is every second word. */
static TINYOPS_APART uint32_t *pair_values(const int8_t *a, const int8_t *b, int32_t count,
                                           uint32_t *to) {
  for (; count >= 4; count -= 4, a += 4, b += 4, to += 8) {
    to[0] = tinyops_lanes_of(a[0], b[0]);
    to[2] = tinyops_lanes_of(a[1], b[1]);
    to[4] = tinyops_lanes_of(a[2], b[2]);
    to[6] = tinyops_lanes_of(a[3], b[3]);
  }
  for (; count > 0; --count, to += 2) {
    *to = tinyops_lanes_of(*a++, *b++);
  }
  return to;
}

/* Where one row of taps lies in two windows, either of which may reach over the input's edge. */
typedef struct {
  const view *views[2];
  int inside[2];     /* whether the row is */
  int32_t at;        /* of the row, from tap (0, 0) */
  int8_t zero_point; /* what the padding reads as */
} tap_row;

/* Taps first..last-1 of a row, each inside or not. */
static TINYOPS_APART uint32_t *pair_taps(const tinyops_window *g, const tap_row *row, int32_t first,
                                         int32_t last, uint32_t *to) {
  for (int32_t kx = first; kx < last; ++kx) {
    const int8_t *from[2] = {&row->zero_point, &row->zero_point};
    int32_t step[2] = {0, 0};
    for (int32_t i = 0; i < 2; ++i) {
      const view *v = row->views[i];
      if (row->inside[i] && kx >= v->columns.first && kx < v->columns.last) {
        from[i] = v->image + row->at + kx * g->dilation_w * g->in_c;
        step[i] = 1;
      }
    }
    const int8_t *a = from[0], *b = from[1];
    for (int32_t c = g->in_c; c > 0; --c, a += step[0], b += step[1], to += 2) {
      *to = tinyops_lanes_of(*a, *b);
    }
  }
  return to;
}

/* Two pixels' windows into every second word from `to`. */
static void gather(const tinyops_conv_2d_lanes_params *p, const view *a, const view *b,
                   uint32_t *to) {
  const tinyops_window *g = &p->window;
  const int32_t row_step = g->dilation_h * g->in_w * g->in_c;
  const int32_t first = a->columns.first > b->columns.first ? a->columns.first : b->columns.first;
  const int32_t last = a->columns.last < b->columns.last ? a->columns.last : b->columns.last;
  const int together = first < last && (g->dilation_w == 1 || g->kernel_w == 1);
  tap_row row = {{a, b}, {0, 0}, 0, (int8_t)p->input_zero_point};
  for (int32_t ky = 0; ky < g->kernel_h; ++ky, row.at += row_step) {
    row.inside[0] = ky >= a->rows.first && ky < a->rows.last;
    row.inside[1] = ky >= b->rows.first && ky < b->rows.last;
    if (!together || !row.inside[0] || !row.inside[1]) {
      to = pair_taps(g, &row, 0, g->kernel_w, to);
      continue;
    }
    const int32_t left = row.at + first * g->in_c;
    if (first > 0) {
      to = pair_taps(g, &row, 0, first, to);
    }
    to = pair_values(a->image + left, b->image + left, (last - first) * g->in_c, to);
    if (last < g->kernel_w) {
      to = pair_taps(g, &row, last, g->kernel_w, to);
    }
  }
}

/* The windows of the next `count` pixels, 1 to 4; the last stands for those that are missing. */
static void gather_windows(const tinyops_conv_2d_lanes_params *p, const int8_t *input, cursor *next,
                           int32_t count, uint32_t *to) {
  const tinyops_window *g = &p->window;
  view views[PIXELS];
  for (int32_t i = 0; i < PIXELS; ++i) {
    if (i >= count) {
      views[i] = views[i - 1];
      continue;
    }
    if (next->ox == g->out_w) {
      ++next->oy;
      start_row(g, input, next);
    }
    views[i] = view_at(g, next);
    ++next->ox;
  }
  gather(p, &views[0], &views[1], to);
  gather(p, &views[2], &views[3], to + 1);
}

/* Pixels whose windows are themselves. */
static void gather_pixels(const int8_t *from, int32_t channels, int32_t count, uint32_t *to) {
  const int8_t *const second = count > 1 ? from + channels : from;
  const int8_t *const third = count > 2 ? second + channels : second;
  pair_values(from, second, channels, to);
  pair_values(third, count > 3 ? third + channels : third, channels, to + 1);
}

void tinyops_conv_2d_lanes(const tinyops_conv_2d_lanes_params *p, const int8_t *input,
                           const int8_t *weights, const int32_t *constants, const uint8_t *shift,
                           int8_t *output, uint32_t *scratch) {
  const tinyops_window *g = &p->window;
  const int32_t pixels = g->out_h * g->out_w;
  const int pointwise = g->kernel_h * g->kernel_w * g->stride_h * g->stride_w == 1;
  cursor next = {.oy = 0, .ox = 0, .image = input, .rows = {0, 0}};
  start_row(g, input, &next);
  for (int32_t i = 2 * g->kernel_h * g->kernel_w * g->in_c; i < 2 * p->filter_values; ++i) {
    scratch[i] = 0;
  }
  for (int32_t pixel = 0; pixel < pixels; pixel += PIXELS) {
    const int32_t count = pixels - pixel < PIXELS ? pixels - pixel : (int32_t)PIXELS;
    work k = {
        .x = scratch,
        .x_end = scratch + 2 * p->filter_values,
        .weights = weights,
        .shift = shift,
        .constants = constants,
        .zero_point = p->output_zero_point + 128,
        .index = 0,
        .count = g->out_c,
        .group_step = FILTERS * (p->filter_values - 1),
        .output = {0},
    };
    for (int32_t i = 0; i < PIXELS; ++i) {
      k.output[i] = i < count ? output + (pixel + i) * g->out_c : k.output[i - 1];
    }
    if (pointwise) {
      gather_pixels(input + pixel * g->in_c, g->in_c, count, scratch);
    } else {
      gather_windows(p, input, &next, count, scratch);
    }
    multiply_filters(&k);
  }
  tinyops_packed_clamp(output, pixels * g->out_c, p->min, p->max);
}
