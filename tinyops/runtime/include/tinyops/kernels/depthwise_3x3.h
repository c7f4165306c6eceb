/* Depthwise 3x3 convolution, int8, for cores with the DSP extension: a channel at a time. */
#ifndef TINYOPS_KERNELS_DEPTHWISE_3X3_H
#define TINYOPS_KERNELS_DEPTHWISE_3X3_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  int32_t value; /* from one value of a row to the next, of the same channel */
  int32_t row;
} tinyops_step;

typedef struct {
  tinyops_window window;    /* 3x3, no dilation, stride_w 1 or 2, in_c == out_c */
  tinyops_step input;       /* between values of the input */
  tinyops_step output;      /* between values of the output */
  int32_t row_values;       /* of one expanded row: 4 + stride_w * (out_w rounded up to even) */
  int32_t input_zero_point; /* what the padding reads as */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per channel; 0: one for all */
} tinyops_depthwise_3x3_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights (out_c, 3, 3).
 * `bias` (out_c) holds minus the input's zero point times the channel's weights already. `shift` is
 * to the right, see packed.h. `scratch` is 3 * row_values int16: the three rows that are looked at.
 *
 * The work goes along rows, two outputs at a time. An image that is narrower than it is high is
 * better taken by its columns: then the window and the weights have height and width exchanged, and
 * the steps say how the image lies.
 *
 * A channel is done before the next one begins; of each channel, the rows that an output row looks
 * at are read before that output row is written. */
TINYOPS_INTERNAL void tinyops_depthwise_3x3(const tinyops_depthwise_3x3_params *p,
                                            const int8_t *input, const int8_t *weights,
                                            const int32_t *bias, const int32_t *multiplier,
                                            const int8_t *shift, int8_t *output, int16_t *scratch);

#endif
