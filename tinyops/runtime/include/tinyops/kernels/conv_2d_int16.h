/* 2-D convolution, int16 by int8; a dense layer is one of pixels of a line. */
#ifndef TINYOPS_KERNELS_CONV_2D_INT16_H
#define TINYOPS_KERNELS_CONV_2D_INT16_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t filter_values; /* of a filter, filled up with zeros to a multiple of 2 */
  int32_t pointwise;     /* 1: a window is a pixel of filter_values, and none lies outside */
  int32_t min, max;      /* of the output, after the fused activation */
  int32_t channel_step;  /* 1: multiplier and shift per output channel; 0: one for all */
} tinyops_conv_2d_int16_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * filters.
 *
 * `weights` holds groups of four filters, of each value a byte of every filter, 128 added: cores
 * without sign extending loads at an offset read these with one instruction less. Filters that fill
 * a group up are zeros, which are 128 here.
 * `window` is scratch of filter_values values; a pointwise convolution has none.
 *
 * Output pixels are written in rows from the top, each from the left, a pixel's channels after its
 * window is in scratch; pointwise, a pixel is read until its last channel is written. `output` may
 * start as far before `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_conv_2d_int16(const tinyops_conv_2d_int16_params *p,
                                            const int16_t *input,
                                            const TINYOPS_FLASH uint8_t *weights,
                                            const TINYOPS_FLASH int32_t *bias,
                                            const TINYOPS_FLASH int16_t *multiplier,
                                            const TINYOPS_FLASH int8_t *shift, int16_t *output,
                                            int16_t *window);

#endif
