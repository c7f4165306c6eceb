/* 2-D convolution, int8, for cores with the DSP extension: two pixels by two channels at a time. */
#ifndef TINYOPS_KERNELS_CONV_2D_PACKED_H
#define TINYOPS_KERNELS_CONV_2D_PACKED_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t filter_values;    /* kernel_h * kernel_w * in_c, filled up to a multiple of 8 */
  int32_t pointwise;        /* 1: the kernel is 1x1, without padding, and in_c is filter_values */
  int32_t input_zero_point; /* what the padding reads as */
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_conv_2d_packed_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights.
 *
 * `weights` are pairs of filters, each pair as one run of words: two biases (with minus the input's
 * zero point times the filter's weights in them), the filters, two multipliers, and a word with the
 * first filter's right shift in its lowest byte and the second's in the next; see packed.h. A
 * filter has filter_values int8 in the order (kernel_h, kernel_w, in_c), zeros at its end; a word
 * of four values of the one and a word of the other in turn. A filter of zeros makes out_c even.
 *
 * `scratch` is filter_values words, and filter_values / 4 more where in_c is no multiple of 4.
 *
 * Two pixels are read before the first of them is written, in the order of the output. */
TINYOPS_INTERNAL void tinyops_conv_2d_packed(const tinyops_conv_2d_packed_params *p,
                                             const int8_t *input, const int32_t *weights,
                                             int8_t *output, uint32_t *scratch);

#endif
