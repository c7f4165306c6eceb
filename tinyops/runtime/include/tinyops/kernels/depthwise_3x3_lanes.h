/* Depthwise 3x3 convolution, int8, for cores without the DSP extension: a channel at a time. */
#ifndef TINYOPS_KERNELS_DEPTHWISE_3X3_LANES_H
#define TINYOPS_KERNELS_DEPTHWISE_3X3_LANES_H

#include "tinyops/internal.h"
#include "tinyops/kernels/window.h"

typedef struct {
  tinyops_window window;    /* 3x3, no dilation, in_c == out_c, out_w of 2 or more */
  int32_t columns;          /* of one row in lanes: stride_w * ((out_w + 1) / 2 - 1) + 3 */
  int32_t input_zero_point; /* what the padding reads as */
  int32_t output_zero_point;
  int32_t min, max; /* of the output, after the fused activation */
} tinyops_depthwise_3x3_lanes_params;

/* output (out_h, out_w, out_c) = input (in_h, in_w, in_c) * weights (out_c, 3, 3).
 *
 * `constants` are, for each channel, its bias (with minus the input's zero point times the
 * channel's weights in it) and its multiplier. Accumulators stay below 2^20 in magnitude. `shift`
 * holds right shifts and blocks, see lanes.h: 1 where all nine products fit a lane, 2 where those
 * of each column do, 3 where two of a column do. `scratch` is 3 * columns words: the three rows
 * that are looked at.
 *
 * A channel is done before the next one begins; of each channel, the rows that an output row looks
 * at are read before that output row is written. */
TINYOPS_INTERNAL void tinyops_depthwise_3x3_lanes(const tinyops_depthwise_3x3_lanes_params *p,
                                                  const int8_t *input, const int8_t *weights,
                                                  const int32_t *constants, const uint8_t *shift,
                                                  int8_t *output, uint32_t *scratch);

#endif
