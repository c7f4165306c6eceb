/* The edges of a model: real numbers or 16-bit integers to int8, int8 to real numbers. */
#ifndef TINYOPS_KERNELS_QUANTIZE_H
#define TINYOPS_KERNELS_QUANTIZE_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t count;
} tinyops_edge_params;

typedef struct {
  int32_t count;
  int32_t input_zero_point, output_zero_point;
  int32_t multiplier, shift;
} tinyops_requantize_params;

/* output (count) = round(input / scale) + zero_point, saturated. thresholds[i] is the smallest
 * number that becomes i - 127, as an ordered key (see quantize.c). No arithmetic on real numbers:
 * the same bytes on every core, and nothing from libgcc where there is no floating point unit. NaN
 * gives -128 or 127, by its sign; quotients that an int32 does not hold saturate, too, unlike the
 * interpreter's.
 *
 * All three here go through input and output in order: `output` may start before `input`, and
 * dequantize's as far before as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_quantize(const tinyops_edge_params *p, const float *input,
                                       const uint32_t *thresholds, int8_t *output);
/* output (count) = scale * (input - zero_point), from a table by the input byte read as unsigned.
 */
TINYOPS_INTERNAL void tinyops_dequantize(const tinyops_edge_params *p, const int8_t *input,
                                         const float *table, float *output);
/* output (count): int16 input at another scale. */
TINYOPS_INTERNAL void tinyops_requantize_int16(const tinyops_requantize_params *p,
                                               const int16_t *input, int8_t *output);

#endif
