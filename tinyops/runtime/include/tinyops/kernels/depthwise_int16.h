/* Depthwise 2-D convolution, int16 by int8. */
#ifndef TINYOPS_KERNELS_DEPTHWISE_INT16_H
#define TINYOPS_KERNELS_DEPTHWISE_INT16_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t depth_multiplier; /* output channels of an input channel, neighbours */
  int32_t min, max;         /* of the output, after the fused activation */
  int32_t channel_step;     /* 1: multiplier and shift per output channel; 0: one for all */
} tinyops_depthwise_int16_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights (kernel_h, kernel_w, out_c),
 * channel by channel.
 *
 * Output pixels are written in rows from the top, each from the left; a pixel's window is read
 * until its last channel is written. `output` may start as far before `input` as overlap.py
 * computes from that. */
TINYOPS_INTERNAL void tinyops_depthwise_int16(const tinyops_depthwise_int16_params *p,
                                              const int16_t *input,
                                              const TINYOPS_FLASH int8_t *weights,
                                              const TINYOPS_FLASH int32_t *bias,
                                              const TINYOPS_FLASH int16_t *multiplier,
                                              const TINYOPS_FLASH int8_t *shift, int16_t *output);

#endif
