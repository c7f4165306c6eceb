/* Windows of an int16 image, value after value. */
#ifndef TINYOPS_KERNELS_GATHER_INT16_H
#define TINYOPS_KERNELS_GATHER_INT16_H

#include <string.h>

#include "tinyops/kernels/window.h"

/* `count` values to `to`, or as many zeros where `from` is none; where the next ones go. */
static inline int16_t *tinyops_put_int16(int16_t *to, const int16_t *from, int32_t count) {
  const size_t bytes = (size_t)count * sizeof *to;
  if (from) {
    memcpy(to, from, bytes);
  } else {
    memset(to, 0, bytes);
  }
  return to + count;
}

/* A row of the window at column x0 of the image's row `line`; zeros outside the image. */
static inline int16_t *tinyops_gather_row_int16(const tinyops_window *g, const int16_t *line,
                                                int32_t x0, int16_t *to) {
  const tinyops_taps inside = tinyops_taps_inside(x0, g->in_w, g->kernel_w, g->dilation_w);
  if (g->dilation_w == 1) {
    to = tinyops_put_int16(to, 0, inside.first * g->in_c);
    to = tinyops_put_int16(to, line + (x0 + inside.first) * g->in_c,
                           (inside.last - inside.first) * g->in_c);
    return tinyops_put_int16(to, 0, (g->kernel_w - inside.last) * g->in_c);
  }
  for (int32_t kx = 0; kx < g->kernel_w; ++kx) {
    const int is_in = kx >= inside.first && kx < inside.last;
    to = tinyops_put_int16(to, is_in ? line + (x0 + kx * g->dilation_w) * g->in_c : 0, g->in_c);
  }
  return to;
}

/* The window at (y0, x0) as `values` values, zeros outside the image and behind its last value. */
static inline void tinyops_gather_int16(const tinyops_window *g, int32_t values,
                                        const int16_t *input, int32_t y0, int32_t x0,
                                        int16_t *window) {
  int16_t *to = window;
  for (int32_t ky = 0; ky < g->kernel_h; ++ky) {
    const int32_t y = y0 + ky * g->dilation_h;
    if (y >= 0 && y < g->in_h) {
      to = tinyops_gather_row_int16(g, input + y * g->in_w * g->in_c, x0, to);
    } else {
      to = tinyops_put_int16(to, 0, g->kernel_w * g->in_c);
    }
  }
  tinyops_put_int16(to, 0, values - (int32_t)(to - window));
}

#endif
