/* 2-D convolution, int8, for cores with the DSP extension, whose weights are codes of four bits. */
#ifndef TINYOPS_KERNELS_CONV_2D_PACKED_CODED_H
#define TINYOPS_KERNELS_CONV_2D_PACKED_CODED_H

#include "tinyops/internal.h"
#include "tinyops/kernels/conv_2d_packed.h"

/* As tinyops_conv_2d_packed. `codes` are those of the weights in the order in which that has them,
 * without what lies between filters, and `table` (16) what they stand for, see coded.h: at a
 * filter's end any code may stand. `constants` are of each pair of filters two biases, two
 * multipliers and a word with the two shifts.
 *
 * `scratch` is that of tinyops_conv_2d_packed, and behind it room for decoded pairs of filters,
 * filter_values / 2 + 5 words each: as many as 128 words hold, one at least.
 *
 * Output pixels are written eight at a time, in the order of the output; their windows are read
 * until the last channel of all of them is written. */
TINYOPS_INTERNAL void tinyops_conv_2d_packed_coded(const tinyops_conv_2d_packed_params *p,
                                                   const int8_t *input, const uint8_t *codes,
                                                   const int8_t *table, const int32_t *constants,
                                                   int8_t *output, uint32_t *scratch);

#endif
