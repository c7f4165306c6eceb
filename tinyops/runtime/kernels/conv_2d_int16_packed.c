#include "tinyops/kernels/conv_2d_int16_packed.h"

#include "tinyops/kernels/gather_int16.h"
#include "tinyops/kernels/wide.h"

/* Four values of one pixel are followed by four of the other. */
enum { STEP = 4, BLOCK = 2 };

/* acc[filter][pixel] = both pixels * two filters. `x` to `end` are the pixels' values. */
static inline void two_by_two(const int16_t *x, const int16_t *end, const int8_t *w,
                              int32_t acc[BLOCK][BLOCK]) {
  int32_t a = 0, b = 0, c = 0, d = 0;
#if TINYOPS_DSP
  uint32_t x0, x1, y0, y1, word, pair;
  __asm__ volatile(
      "1:\n\t"
      "ldrd %[x0], %[x1], [%[x]], #8\n\t"
      "ldrd %[y0], %[y1], [%[x]], #8\n\t"
      "ldr %[word], [%[w]], #4\n\t"
      "sxtb16 %[pair], %[word]\n\t"
      "smlad %[a], %[x0], %[pair], %[a]\n\t"
      "smlad %[b], %[y0], %[pair], %[b]\n\t"
      "sxtb16 %[pair], %[word], ror #8\n\t"
      "ldr %[word], [%[w]], #4\n\t"
      "smlad %[a], %[x1], %[pair], %[a]\n\t"
      "smlad %[b], %[y1], %[pair], %[b]\n\t"
      "sxtb16 %[pair], %[word]\n\t"
      "smlad %[c], %[x0], %[pair], %[c]\n\t"
      "smlad %[d], %[y0], %[pair], %[d]\n\t"
      "sxtb16 %[pair], %[word], ror #8\n\t"
      "smlad %[c], %[x1], %[pair], %[c]\n\t"
      "smlad %[d], %[y1], %[pair], %[d]\n\t"
      "cmp %[x], %[end]\n\t"
      "bne 1b"
      : [a] "+r"(a), [b] "+r"(b), [c] "+r"(c), [d] "+r"(d), [x] "+r"(x), [w] "+r"(w),
        [x0] "=&r"(x0), [x1] "=&r"(x1), [y0] "=&r"(y0), [y1] "=&r"(y1), [word] "=&r"(word),
        [pair] "=&r"(pair)
      : [end] "r"(end)
      : "cc", "memory");
#else
  static const int32_t order[STEP] = {0, 2, 1, 3};
  for (; x != end; x += 2 * STEP, w += 2 * STEP) {
    for (int32_t i = 0; i < STEP; ++i) {
      const int32_t first = w[order[i]], second = w[STEP + order[i]];
      a += x[i] * first;
      b += x[STEP + i] * first;
      c += x[i] * second;
      d += x[STEP + i] * second;
    }
  }
#endif
  acc[0][0] = a;
  acc[0][1] = b;
  acc[1][0] = c;
  acc[1][1] = d;
}

/* A pixel's values to every other four of `to`. */
static void spread(const int16_t *from, int32_t values, int16_t *to) {
  for (const int16_t *end = from + values; from != end; from += STEP, to += 2 * STEP) {
    memcpy(to, from, STEP * sizeof *to);
  }
}

/* One channel of two pixels. */
static inline void put_two(const tinyops_conv_2d_int16_params *p, const int32_t acc[BLOCK],
                           int32_t bias, int32_t multiplier, int32_t shift, int16_t *first,
                           int16_t *second) {
  *first = tinyops_requantise_wide(acc[0] + bias, multiplier, shift, p->min, p->max);
  *second = tinyops_requantise_wide(acc[1] + bias, multiplier, shift, p->min, p->max);
}

/* All channels of two pixels. */
static void pixels(const tinyops_conv_2d_int16_params *p, const int16_t *x, const int8_t *weights,
                   const int32_t *bias, const int16_t *multiplier, const int8_t *shift,
                   int16_t *first, int16_t *second) {
  const int32_t values = p->filter_values, step = p->channel_step;
  int32_t left = p->window.out_c;
  for (; left > 0; left -= BLOCK, weights += BLOCK * values, bias += BLOCK) {
    int32_t acc[BLOCK][BLOCK];
    two_by_two(x, x + 2 * values, weights, acc);
    put_two(p, acc[0], bias[0], multiplier[0], shift[0], first++, second++);
    if (left > 1) {
      put_two(p, acc[1], bias[1], multiplier[step], shift[step], first++, second++);
    }
    multiplier += BLOCK * step;
    shift += BLOCK * step;
  }
}

void tinyops_conv_2d_int16_packed(const tinyops_conv_2d_int16_params *p, const int16_t *input,
                                  const int8_t *weights, const int32_t *bias,
                                  const int16_t *multiplier, const int8_t *shift, int16_t *output,
                                  int16_t *window) {
  const tinyops_window *g = &p->window;
  const int32_t count = g->out_h * g->out_w;
  int16_t *const alone = window + 2 * p->filter_values;
  for (int32_t i = 0; i < count; ++i) {
    const int32_t y0 = i / g->out_w * g->stride_h - g->pad_top;
    const int32_t x0 = i % g->out_w * g->stride_w - g->pad_left;
    const int16_t *x = alone;
    if (p->pointwise) {
      x = input + (y0 * g->in_w + x0) * g->in_c;
    } else {
      tinyops_gather_int16(g, p->filter_values, input, y0, x0, alone);
    }
    const int32_t place = i % BLOCK, is_alone = !place && i == count - 1;
    spread(x, p->filter_values, window + place * STEP);
    if (is_alone) { /* it is both */
      spread(x, p->filter_values, window + STEP);
    }
    if (place || is_alone) {
      pixels(p, window, weights, bias, multiplier, shift, output + (i - place) * g->out_c,
             output + i * g->out_c);
    }
  }
}
