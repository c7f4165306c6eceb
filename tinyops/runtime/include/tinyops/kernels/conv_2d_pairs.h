/* What the packed convolutions share: two pixels' windows, gathered and expanded, by pairs of
 * filters. */
#ifndef TINYOPS_KERNELS_CONV_2D_PAIRS_H
#define TINYOPS_KERNELS_CONV_2D_PAIRS_H

#include "tinyops/kernels/conv_2d_packed.h"
#include "tinyops/kernels/packed.h"

/* Two pixels' expanded values lie side by side: even and odd of the one, even and odd of the other.
 * So the words of one pixel are followed by two of the other. */
enum { TINYOPS_WORDS_A_STEP = 4 };

/* Reads pairs of filters from `w` up to `w_end` and writes two channels of both pixels for each.
 * `x` to `x_end` are the pixels' expanded values. */
static inline void tinyops_multiply_pairs(const uint32_t *x, const uint32_t *x_end,
                                          const int32_t *w, const int32_t *w_end, int32_t bias_step,
                                          int8_t *first, int8_t *second) {
#if TINYOPS_DSP
  register int8_t *r0 __asm__("r0") = first;
  register int8_t *r1 __asm__("r1") = second;
  register int32_t r2 __asm__("r2") = bias_step;
  register const int32_t *r3 __asm__("r3") = w_end;
  register const uint32_t *r4 __asm__("r4") = x;
  register const int32_t *r5 __asm__("r5") = w;
  register const uint32_t *r6 __asm__("r6") = x_end;
/* r0..r3: sums of the first channel of both pixels, of the second channel of both pixels. */
#define STEP                          \
  "ldmia r4!, {r8, r9, r10, r11}\n\t" \
  "ldrd r7, r12, [r5], #8\n\t"        \
  "sxtb16 lr, r7, ror #8\n\t"         \
  "sxtb16 r7, r7\n\t"                 \
  "smlad r0, r8, r7, r0\n\t"          \
  "smlad r1, r10, r7, r1\n\t"         \
  "sxtb16 r7, r12\n\t"                \
  "sxtb16 r12, r12, ror #8\n\t"       \
  "smlad r0, r9, lr, r0\n\t"          \
  "smlad r1, r11, lr, r1\n\t"         \
  "smlad r2, r8, r7, r2\n\t"          \
  "smlad r3, r10, r7, r3\n\t"         \
  "smlad r2, r9, r12, r2\n\t"         \
  "smlad r3, r11, r12, r3\n\t"
/* tinyops_packed_requantise; shifts by a register look at its lowest byte only. */
#define REQUANTISE(acc, multiplier, nudge, shift) \
  "lsl " acc ", " acc                             \
  ", #1\n\t"                                      \
  "smmulr " acc ", " acc ", " multiplier          \
  "\n\t"                                          \
  "add " acc ", " acc ", " acc                    \
  ", asr #31\n\t"                                 \
  "add " acc ", " acc ", " nudge                  \
  "\n\t"                                          \
  "asr " acc ", " acc ", " shift                  \
  "\n\t"                                          \
  "ssat " acc ", #8, " acc "\n\t"
  __asm__ volatile(
      "push {r0, r1, r2, r3, r4, r7}\n" /* r7 may be the frame pointer: saved by hand */
      "1:\n\t"
      "ldrd r0, r2, [r5], #8\n\t" /* biases */
      "ldr r4, [sp, #16]\n\t"
      "mov r1, r0\n\t"
      "mov r3, r2\n"
      "2:\n\t" STEP STEP
      "cmp r4, r6\n\t"
      "bne 2b\n\t"
      "ldmia r5!, {r7, r8, r9}\n\t" /* both multipliers, both shifts */
      "ldr r10, [sp, #8]\n\t"
      "sub r4, r9, #1\n\t"
      "lsl r11, r10, r4\n\t"
      "lsr r12, r9, #8\n\t"
      "sub r4, r12, #1\n\t"
      "lsl r10, r10, r4\n\t" REQUANTISE("r0", "r7", "r11", "r9") REQUANTISE("r1", "r7", "r11", "r9")
          REQUANTISE("r2", "r8", "r10", "r12") REQUANTISE("r3", "r8", "r10", "r12")
      "ldrd r7, r4, [sp]\n\t"
      "strb r0, [r7], #1\n\t"
      "strb r2, [r7], #1\n\t"
      "strb r1, [r4], #1\n\t"
      "strb r3, [r4], #1\n\t"
      "strd r7, r4, [sp]\n\t"
      "ldr r4, [sp, #12]\n\t"
      "cmp r4, r5\n\t"
      "bne 1b\n\t"
      "pop {r0, r1, r2, r3, r4, r7}"
      : "+r"(r0), "+r"(r1), "+r"(r2), "+r"(r3), "+r"(r4), "+r"(r5)
      : "r"(r6)
      : "r8", "r9", "r10", "r11", "r12", "lr", "cc", "memory");
#undef STEP
#undef REQUANTISE
#else
  while (w != w_end) {
    int32_t acc[2][2] = {{w[0], w[0]}, {w[1], w[1]}}; /* [channel][pixel] */
    w += 2;
    for (const uint32_t *at = x; at != x_end; at += TINYOPS_WORDS_A_STEP, w += 2) {
      for (int32_t i = 0; i < 4; ++i) { /* i & 1: channel, i >> 1: pixel */
        int8_t value[4];
        memcpy(value, &w[i & 1], 4);
        const uint32_t even = at[i & 2], odd = at[(i & 2) + 1];
        acc[i & 1][i >> 1] += (int16_t)even * value[0] + (int16_t)odd * value[1] +
                              (int16_t)(even >> 16) * value[2] + (int16_t)(odd >> 16) * value[3];
      }
    }
    for (int32_t channel = 0; channel < 2; ++channel) {
      const tinyops_packed_factor f =
          tinyops_packed_factor_of(w[channel], (w[2] >> 8 * channel) & 0xff, bias_step);
      *first++ = tinyops_packed_requantise(acc[channel][0], f);
      *second++ = tinyops_packed_requantise(acc[channel][1], f);
    }
    w += 3;
  }
#endif
}

static inline uint32_t *tinyops_expand(const int8_t *from, int32_t count, uint32_t *to) {
  for (const int8_t *end = from + count; from != end; from += 4, to += TINYOPS_WORDS_A_STEP) {
    tinyops_expand_4(from, to);
  }
  return to;
}

static inline uint32_t *tinyops_expand_value(int32_t value, int32_t count, uint32_t *to) {
  for (int32_t i = 0; i < count; i += 4, to += TINYOPS_WORDS_A_STEP) {
    to[0] = to[1] = tinyops_pair(value, value);
  }
  return to;
}

static inline int8_t *tinyops_copy_values(const int8_t *from, int32_t count, int8_t *to) {
  int8_t *const end = to + count;
  if (count >= 4) {
    for (; count >= 4; count -= 4, from += 4, to += 4) {
      memcpy(to, from, 4);
    }
    memcpy(end - 4, from + count - 4, 4); /* what is left, and some again */
    return end;
  }
  while (to != end) {
    *to++ = *from++;
  }
  return end;
}

static inline int8_t *tinyops_fill_values(int32_t value, int32_t count, int8_t *to) {
  for (; count > 0; --count) {
    *to++ = (int8_t)value;
  }
  return to;
}

/* One output pixel's window in the input. `image` is tap (0, 0), which may lie outside. */
typedef struct {
  const int8_t *image;
  tinyops_taps rows, columns; /* inside */
  int32_t row_step;           /* between rows of taps, in values */
  int32_t zero_point;
} tinyops_packed_view;

/* Expands a window where in_c is a multiple of 4: straight from the input. */
static inline uint32_t *tinyops_expand_window(const tinyops_window *g, const tinyops_packed_view *v,
                                              uint32_t *to) {
  const int32_t row = g->kernel_w * g->in_c;
  const int32_t left = v->columns.first * g->in_c, right = v->columns.last * g->in_c;
  const int8_t *from = v->image;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky, from += v->row_step) {
    if (ky < v->rows.first || ky >= v->rows.last) {
      to = tinyops_expand_value(v->zero_point, row, to);
      continue;
    }
    to = tinyops_expand_value(v->zero_point, left, to);
    if (g->dilation_w == 1) {
      to = tinyops_expand(from + left, right - left, to);
    } else {
      for (int32_t at = left; at < right; at += g->in_c) {
        to = tinyops_expand(from + at * g->dilation_w, g->in_c, to);
      }
    }
    to = tinyops_expand_value(v->zero_point, row - right, to);
  }
  return to;
}

/* Any other window's bytes, in order. */
static inline int8_t *tinyops_copy_window(const tinyops_window *g, const tinyops_packed_view *v,
                                          int8_t *to) {
  const int32_t row = g->kernel_w * g->in_c;
  const int32_t left = v->columns.first * g->in_c, right = v->columns.last * g->in_c;
  const int8_t *from = v->image;
  const int32_t outside = g->kernel_h - v->rows.last + v->rows.first + row - right + left;
  if (outside == 0 && g->dilation_w == 1) {
    for (int32_t ky = 0; ky < g->kernel_h; ++ky, from += v->row_step) {
      to = tinyops_copy_values(from, row, to);
    }
    return to;
  }
  for (int32_t ky = 0; ky < g->kernel_h; ++ky, from += v->row_step) {
    if (ky < v->rows.first || ky >= v->rows.last) {
      to = tinyops_fill_values(v->zero_point, row, to);
      continue;
    }
    to = tinyops_fill_values(v->zero_point, left, to);
    if (g->dilation_w == 1) {
      to = tinyops_copy_values(from + left, right - left, to);
    } else {
      for (int32_t at = left; at < right; at += g->in_c) {
        to = tinyops_copy_values(from + at * g->dilation_w, g->in_c, to);
      }
    }
    to = tinyops_fill_values(v->zero_point, row - right, to);
  }
  return to;
}

/* Expands the window of output pixel (oy, ox) to `to`. `bytes` is room for one window. */
static inline void tinyops_gather_window(const tinyops_conv_2d_packed_params *p,
                                         const int8_t *input, int32_t oy, int32_t ox, uint32_t *to,
                                         int8_t *bytes) {
  const tinyops_window *g = &p->window;
  const int32_t y0 = oy * g->stride_h - g->pad_top;
  const int32_t x0 = ox * g->stride_w - g->pad_left;
  const int8_t *const image = input + (y0 * g->in_w + x0) * g->in_c;
  if (p->pointwise) {
    tinyops_expand(image, g->in_c, to);
    return;
  }
  const tinyops_packed_view v = {
      .image = image,
      .rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, g->dilation_h),
      .columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, g->dilation_w),
      .row_step = g->dilation_h * g->in_w * g->in_c,
      .zero_point = p->input_zero_point,
  };
  if (g->in_c % 4 == 0) {
    uint32_t *const end = to + p->filter_values;
    to = tinyops_expand_window(g, &v, to);
    tinyops_expand_value(0, (int32_t)(end - to), to);
  } else {
    int8_t *const end = tinyops_copy_window(g, &v, bytes);
    tinyops_fill_values(0, (int32_t)(bytes + p->filter_values - end), end);
    tinyops_expand(bytes, p->filter_values, to);
  }
}

#endif
