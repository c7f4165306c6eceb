/* 2-D convolution, int16 by int8, for cores that multiply two values at a time. */
#ifndef TINYOPS_KERNELS_CONV_2D_INT16_PACKED_H
#define TINYOPS_KERNELS_CONV_2D_INT16_PACKED_H

#include "tinyops/kernels/conv_2d_int16.h"

/* As tinyops_conv_2d_int16, two pixels by two filters at a time; filter_values is a multiple of 4.
 *
 * `weights` holds pairs of filters, zeros where there is one less; of each pair and each step of
 * four values, eight bytes: of one filter the values 0, 2, 1 and 3, where a word of bytes becomes
 * two pairs of neighbours with one instruction each, then of the other. At a multiple of 4.
 * `window` is scratch for two pixels side by side, and for one alone unless pointwise: 3 *
 * filter_values values, or 2, at a multiple of 4.
 *
 * Output pixels are written two at a time after their windows are in scratch. */
TINYOPS_INTERNAL void tinyops_conv_2d_int16_packed(const tinyops_conv_2d_int16_params *p,
                                                   const int16_t *input, const int8_t *weights,
                                                   const int32_t *bias, const int16_t *multiplier,
                                                   const int8_t *shift, int16_t *output,
                                                   int16_t *window);

#endif
