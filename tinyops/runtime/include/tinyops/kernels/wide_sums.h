/* Convolutions and dense layers of int16 by int8 whose sums may need more than 32 bits. */
#ifndef TINYOPS_KERNELS_WIDE_SUMS_H
#define TINYOPS_KERNELS_WIDE_SUMS_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t depth;        /* input channels that a filter reads: all, or one if depthwise */
  int32_t sharing;      /* filters that read the same channels, neighbours */
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output channel; 0: one for all */
} tinyops_wide_sums_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights (out_c, kernel_h, kernel_w,
 * depth). `bias_high` is the bias divided by 2^32, rounded down, `bias_low` the rest of it. `shift`
 * is that of the product with the multiplier, in 8..46.
 *
 * Output pixels are written in rows from the top, each from the left; a pixel's window is read
 * until its last channel is written. `output` may start as far before `input` as overlap.py
 * computes from that. */
TINYOPS_INTERNAL void tinyops_wide_sums(const tinyops_wide_sums_params *p, const int16_t *input,
                                        const TINYOPS_FLASH int8_t *weights,
                                        const TINYOPS_FLASH int32_t *bias_high,
                                        const TINYOPS_FLASH uint32_t *bias_low,
                                        const TINYOPS_FLASH int16_t *multiplier,
                                        const TINYOPS_FLASH int8_t *shift, int16_t *output);

#endif
