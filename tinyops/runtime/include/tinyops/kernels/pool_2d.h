/* Average and maximum pooling, int8; input and output share scale and zero point. */
#ifndef TINYOPS_KERNELS_POOL_2D_H
#define TINYOPS_KERNELS_POOL_2D_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window; /* out_c == in_c, dilation 1 */
  int32_t min, max;      /* of the output, after the fused activation */
} tinyops_pool_2d_params;

/* output (out_h, out_w, in_c) from input (in_h, in_w, in_c). Taps in the padding do not count.
 *
 * Output pixels are written in rows from the top, each from the left; a pixel's window is read
 * until its last channel is written. `output` may start as far before `input` as overlap.py
 * computes from that. */
TINYOPS_INTERNAL void tinyops_average_pool_2d(const tinyops_pool_2d_params *p, const int8_t *input,
                                              int8_t *output);
TINYOPS_INTERNAL void tinyops_max_pool_2d(const tinyops_pool_2d_params *p, const int8_t *input,
                                          int8_t *output);

#endif
