/* Dense layer, int8, for cores without the DSP extension: eight outputs at a time. */
#ifndef TINYOPS_KERNELS_FULLY_CONNECTED_EIGHTS_H
#define TINYOPS_KERNELS_FULLY_CONNECTED_EIGHTS_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows;    /* input vectors */
  int32_t inputs;  /* values in each */
  int32_t outputs; /* values in each output vector */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output; 0: one for all */
} tinyops_fully_connected_eights_params;

/* output (rows, outputs) = input (rows, inputs) * weights.
 *
 * Outputs lie in eights, filled up with any. For each input value `weights` are two words of four
 * outputs' weights, 128 added to each, the first in the lowest byte; then the next eight outputs'.
 * `bias` (outputs) holds minus (the input's zero point plus 128) times the output's weights
 * already.
 * `shift` is to the right, see packed.h.
 *
 * Output vectors are written in order; an input vector is read until the last of its outputs is
 * written. */
TINYOPS_INTERNAL void tinyops_fully_connected_eights(const tinyops_fully_connected_eights_params *p,
                                                     const int8_t *input, const int32_t *weights,
                                                     const int32_t *bias, const int32_t *multiplier,
                                                     const int8_t *shift, int8_t *output);

#endif
