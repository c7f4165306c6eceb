/* 2-D convolution, int8, for cores with the DSP extension: two pixels by two channels at a time. */
#ifndef TINYOPS_KERNELS_CONV_2D_PACKED_H
#define TINYOPS_KERNELS_CONV_2D_PACKED_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t input_zero_point; /* what the padding reads as */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output channel; 0: one for all */
} tinyops_conv_2d_packed_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights.
 *
 * One filter is n = kernel_h * kernel_w * in_c values in the order (kernel_h, kernel_w, in_c),
 * filled up with zeros to a multiple of 8. `weights` are words of four values; filters lie in pairs
 * (out_c filled up with a filter of zeros), a word of the one and a word of the other in turn.
 * `bias` (out_c) holds minus the input's zero point times the channel's weights already. `shift` is
 * to the right, see packed.h. `scratch` is n words, and n / 4 more where in_c is no multiple of 4
 * (n filled up).
 *
 * Both pixels are read before either is written, in the order of the output. */
TINYOPS_INTERNAL void tinyops_conv_2d_packed(const tinyops_conv_2d_packed_params *p,
                                             const int8_t *input, const int32_t *weights,
                                             const int32_t *bias, const int32_t *multiplier,
                                             const int8_t *shift, int8_t *output,
                                             uint32_t *scratch);

#endif
