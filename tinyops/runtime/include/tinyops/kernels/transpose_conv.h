/* Transposed 2-D convolution, int8. */
#ifndef TINYOPS_KERNELS_TRANSPOSE_CONV_H
#define TINYOPS_KERNELS_TRANSPOSE_CONV_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

/* The window is the other way round: input (y, x) reaches output
 * (y * stride_h - pad_top + ky, x * stride_w - pad_left + kx) through tap (ky, kx). */
typedef struct {
  tinyops_window window;
  int32_t input_zero_point; /* what is outside of the input reads as */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output channel; 0: one for all */
} tinyops_transpose_conv_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights (out_c, kernel_h, kernel_w,
 * in_c). `bias` (stride_h, stride_w, out_c) is of the output rows and columns, plus the padding,
 * with that remainder; it holds minus the input's zero point times the weights that reach them.
 *
 * Output pixels are written in rows from the top, each from the left; what reaches a pixel is read
 * until its last channel is written. `output` may start as far before `input` as overlap.py
 * computes from that. */
TINYOPS_INTERNAL void tinyops_transpose_conv(const tinyops_transpose_conv_params *p,
                                             const int8_t *input,
                                             const TINYOPS_FLASH int8_t *weights,
                                             const TINYOPS_FLASH int32_t *bias,
                                             const TINYOPS_FLASH int32_t *multiplier,
                                             const TINYOPS_FLASH int8_t *shift, int8_t *output);

#endif
