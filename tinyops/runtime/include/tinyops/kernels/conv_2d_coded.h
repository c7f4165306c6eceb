/* 2-D convolution, int8, whose weights are codes of four bits. */
#ifndef TINYOPS_KERNELS_CONV_2D_CODED_H
#define TINYOPS_KERNELS_CONV_2D_CODED_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t pixels;           /* of the output, that a decoded filter serves */
  int32_t input_zero_point; /* what the padding reads as */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output channel; 0: one for all */
} tinyops_conv_2d_coded_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights (out_c, kernel_h, kernel_w,
 * in_c). `codes` are those of the weights, each filter's from a byte on, and `table` (16) what they
 * stand for: see coded.h. `bias` (out_c) holds minus the input's zero point times the channel's
 * weights already. `filter` is room for the weights of one filter.
 *
 * Output pixels are written so many at a time, in rows from the top, each from the left; their
 * windows are read until the last channel of all of them is written. `output` may start as far
 * before `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_conv_2d_coded(const tinyops_conv_2d_coded_params *p,
                                            const int8_t *input, const TINYOPS_FLASH uint8_t *codes,
                                            const TINYOPS_FLASH int8_t *table,
                                            const TINYOPS_FLASH int32_t *bias,
                                            const TINYOPS_FLASH int32_t *multiplier,
                                            const TINYOPS_FLASH int8_t *shift, int8_t *output,
                                            int8_t *filter);

#endif
