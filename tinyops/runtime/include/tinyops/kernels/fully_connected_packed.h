/* Dense layer, int8, for cores with the DSP extension: four outputs at a time. */
#ifndef TINYOPS_KERNELS_FULLY_CONNECTED_PACKED_H
#define TINYOPS_KERNELS_FULLY_CONNECTED_PACKED_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows;    /* input vectors */
  int32_t inputs;  /* values in each */
  int32_t outputs; /* values in each output vector */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output; 0: one for all */
} tinyops_fully_connected_packed_params;

/* output (rows, outputs) = input (rows, inputs) * weights.
 *
 * An output's weights are `inputs` values, filled up with zeros to a multiple of 8. `weights` are
 * words of four values; outputs lie in fours (filled up with zeros), a word of each in turn. `bias`
 * (outputs) holds minus the input's zero point times the output's weights already. `shift` is to
 * the right, see packed.h. */
TINYOPS_INTERNAL void tinyops_fully_connected_packed(const tinyops_fully_connected_packed_params *p,
                                                     const int8_t *input, const int32_t *weights,
                                                     const int32_t *bias, const int32_t *multiplier,
                                                     const int8_t *shift, int8_t *output);

#endif
