/* Average and maximum pooling, int16; input and output share the scale. */
#ifndef TINYOPS_KERNELS_POOL_2D_INT16_H
#define TINYOPS_KERNELS_POOL_2D_INT16_H

#include "tinyops/kernels/pool_2d.h"

/* output (out_h, out_w, in_c) from input (in_h, in_w, in_c). Taps in the padding do not count.
 *
 * Output pixels are written in rows from the top, each from the left; a pixel's window is read
 * until its last channel is written. `output` may start as far before `input` as overlap.py
 * computes from that. */
TINYOPS_INTERNAL void tinyops_average_pool_2d_int16(const tinyops_pool_2d_params *p,
                                                    const int16_t *input, int16_t *output);
TINYOPS_INTERNAL void tinyops_max_pool_2d_int16(const tinyops_pool_2d_params *p,
                                                const int16_t *input, int16_t *output);

#endif
