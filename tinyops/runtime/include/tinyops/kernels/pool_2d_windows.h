/* The loops of pooling, for kernels of one type of activations each. Whoever includes it says
 * which: TINYOPS_POOLED, and TINYOPS_POOLED_MIN, the least of its values. */
#ifndef TINYOPS_KERNELS_POOL_2D_WINDOWS_H
#define TINYOPS_KERNELS_POOL_2D_WINDOWS_H

#include "tinyops/fixed_point.h"
#include "tinyops/kernels/pool_2d.h"

typedef int32_t (*tinyops_pool_reduction)(const tinyops_window *g, const TINYOPS_POOLED *image,
                                          int32_t rows, int32_t columns);

/* Mean of (rows, columns) of one channel, rounded half away from zero. */
static inline int32_t tinyops_pool_average(const tinyops_window *g, const TINYOPS_POOLED *image,
                                           int32_t rows, int32_t columns) {
  const int32_t count = rows * columns;
  int32_t acc = 0;
  for (int32_t y = 0; y < rows; ++y) {
    for (int32_t x = 0; x < columns; ++x) {
      acc += image[(y * g->in_w + x) * g->in_c];
    }
  }
  return (acc > 0 ? acc + count / 2 : acc - count / 2) / count;
}

/* Maximum of (rows, columns) of one channel. */
static inline int32_t tinyops_pool_maximum(const tinyops_window *g, const TINYOPS_POOLED *image,
                                           int32_t rows, int32_t columns) {
  int32_t best = TINYOPS_POOLED_MIN;
  for (int32_t y = 0; y < rows; ++y) {
    for (int32_t x = 0; x < columns; ++x) {
      const int32_t value = image[(y * g->in_w + x) * g->in_c];
      best = value > best ? value : best;
    }
  }
  return best;
}

/* Slides the window. `reduce` is known to the compiler at both calls, which makes two loops of it.
 */
static inline void tinyops_pool_slide(const tinyops_pool_2d_params *p, const TINYOPS_POOLED *input,
                                      TINYOPS_POOLED *output, tinyops_pool_reduction reduce) {
  const tinyops_window *g = &p->window;
  for (int32_t oy = 0; oy < g->out_h; ++oy) {
    const int32_t y0 = oy * g->stride_h - g->pad_top;
    const tinyops_taps rows = tinyops_taps_inside(y0, g->in_h, g->kernel_h, 1);
    for (int32_t ox = 0; ox < g->out_w; ++ox) {
      const int32_t x0 = ox * g->stride_w - g->pad_left;
      const tinyops_taps columns = tinyops_taps_inside(x0, g->in_w, g->kernel_w, 1);
      const TINYOPS_POOLED *image =
          input + ((y0 + rows.first) * g->in_w + x0 + columns.first) * g->in_c;
      for (int32_t c = 0; c < g->in_c; ++c) {
        const int32_t value =
            reduce(g, image + c, rows.last - rows.first, columns.last - columns.first);
        *output++ = (TINYOPS_POOLED)tinyops_clamp(value, p->min, p->max);
      }
    }
  }
}

#endif
