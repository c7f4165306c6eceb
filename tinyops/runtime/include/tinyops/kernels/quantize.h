/* The edges of a model: real numbers or 16-bit integers to int8, int8 to real numbers. */
#ifndef TINYOPS_KERNELS_QUANTIZE_H
#define TINYOPS_KERNELS_QUANTIZE_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t count;
  int32_t zero_point;
  float scale;
} tinyops_affine_params;

typedef struct {
  int32_t count;
  int32_t input_zero_point, output_zero_point;
  int32_t multiplier, shift;
} tinyops_requantize_params;

/* output (count) = round(input / scale) + zero_point, saturated; NaN gives -128. */
TINYOPS_INTERNAL void tinyops_quantize(const tinyops_affine_params *p, const float *input,
                                       int8_t *output);
/* output (count) = scale * (input - zero_point). */
TINYOPS_INTERNAL void tinyops_dequantize(const tinyops_affine_params *p, const int8_t *input,
                                         float *output);
/* output (count): int16 input at another scale. */
TINYOPS_INTERNAL void tinyops_requantize_int16(const tinyops_requantize_params *p,
                                               const int16_t *input, int8_t *output);

#endif
