/* 2-D convolution, int8, for cores without the DSP extension: four pixels by a filter at a time. */
#ifndef TINYOPS_KERNELS_CONV_2D_LANES_H
#define TINYOPS_KERNELS_CONV_2D_LANES_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;
  int32_t filter_values;    /* kernel_h * kernel_w * in_c, filled up to a multiple of 4 */
  int32_t input_zero_point; /* what the padding reads as */
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_conv_2d_lanes_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights.
 *
 * `weights` are groups of eight filters, filled up with zeros: of each value in the order
 * (kernel_h, kernel_w, in_c) one int8 of every filter. `constants` are, for each filter, its bias
 * (with minus the input's zero point times the filter's weights in it) and its multiplier. `shift`
 * holds right shifts and blocks, see lanes.h.
 *
 * `scratch` is 2 * filter_values words. Four pixels are read before the first of them is written,
 * in the order of the output. */
TINYOPS_INTERNAL void tinyops_conv_2d_lanes(const tinyops_conv_2d_lanes_params *p,
                                            const int8_t *input, const int8_t *weights,
                                            const int32_t *constants, const uint8_t *shift,
                                            int8_t *output, uint32_t *scratch);

#endif
