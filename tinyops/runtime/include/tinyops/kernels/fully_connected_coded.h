/* Dense layer, int8, whose weights are codes of four bits. */
#ifndef TINYOPS_KERNELS_FULLY_CONNECTED_CODED_H
#define TINYOPS_KERNELS_FULLY_CONNECTED_CODED_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t rows;    /* input vectors */
  int32_t inputs;  /* values in each */
  int32_t outputs; /* values in each output vector */
  int32_t output_zero_point;
  int32_t min, max;     /* of the output, after the fused activation */
  int32_t channel_step; /* 1: multiplier and shift per output; 0: one for all */
} tinyops_fully_connected_coded_params;

/* output (rows, outputs) = input (rows, inputs) * weights (outputs, inputs). `codes` are those of
 * the weights, each output's from a byte on, and `table` (16) what they stand for: see coded.h.
 * `bias` (outputs) holds minus the input's zero point times the output's weights already.
 *
 * Rows are computed in order; one is read until its last output is written. `output` may start as
 * far before `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_fully_connected_coded(
    const tinyops_fully_connected_coded_params *p, const int8_t *input,
    const TINYOPS_FLASH uint8_t *codes, const TINYOPS_FLASH int8_t *table,
    const TINYOPS_FLASH int32_t *bias, const TINYOPS_FLASH int32_t *multiplier,
    const TINYOPS_FLASH int8_t *shift, int8_t *output);

#endif
