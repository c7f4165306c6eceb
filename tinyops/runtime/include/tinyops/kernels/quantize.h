/* The edges of a model: real numbers and wider integers to int8 and back. */
#ifndef TINYOPS_KERNELS_QUANTIZE_H
#define TINYOPS_KERNELS_QUANTIZE_H

#include <stdint.h>

#include "tinyops/internal.h"

/* All of these go through input and output in order: `output` may start before `input`, as far as
 * overlap.py computes from that.
 *
 * round(input / scale) + zero_point, saturated, where the rounded quotient is an int32. What is
 * not, NaN and infinities with it, becomes `otherwise`, as in the interpreter on a PC. */

typedef struct {
  int32_t count;
  uint32_t least, span; /* keys of quotients within int32: from `least`, `span` further ones */
  int32_t otherwise;
} tinyops_quantize_params;

/* output (count). thresholds[i] is the key of the smallest number that becomes i - 127; a key is a
 * float32's bits as an unsigned number that grows with it (see quantize.c). No arithmetic on real
 * numbers, and so nothing from libgcc, for cores without a floating point unit. */
TINYOPS_INTERNAL void tinyops_quantize(const tinyops_quantize_params *p, const float *input,
                                       const uint32_t *thresholds, int8_t *output);

typedef struct {
  int32_t count;
  float scale;
  int32_t zero_point;
  int32_t otherwise;
} tinyops_quantize_real_params;

/* output (count), by arithmetic on real numbers. */
TINYOPS_INTERNAL void tinyops_quantize_real(const tinyops_quantize_real_params *p,
                                            const float *input, int8_t *output);

typedef struct {
  int32_t count;
} tinyops_dequantize_params;

/* output (count) = scale * (input - zero_point), from a table by the input byte read as unsigned.
 */
TINYOPS_INTERNAL void tinyops_dequantize(const tinyops_dequantize_params *p, const void *input,
                                         const float *table, float *output);

typedef struct {
  int32_t count;
  int32_t input_bytes; /* 1 or 2 */
  int32_t flip;        /* 0x80 where the input is uint8, which makes an int8 of it, 128 below */
  int32_t zero_point;
  float scale;
} tinyops_dequantize_real_params;

/* output (count) = scale * (input - zero_point), by arithmetic on real numbers. */
TINYOPS_INTERNAL void tinyops_dequantize_real(const tinyops_dequantize_real_params *p,
                                              const void *input, float *output);

typedef struct {
  int32_t count;
  int32_t input_zero_point, output_zero_point;
  int32_t multiplier, shift;
} tinyops_requantize_int16_params;

/* output (count): int16 input at another scale. */
TINYOPS_INTERNAL void tinyops_requantize_int16(const tinyops_requantize_int16_params *p,
                                               const int16_t *input, int8_t *output);

typedef struct {
  int32_t count;
  int32_t input_zero_point, output_zero_point;
  int32_t multiplier, shift;
  int32_t input_bytes, output_bytes; /* 1, 2 or 4: of signed integers */
  int32_t min, max;                  /* of the output */
} tinyops_requantize_params;

/* output (count): input of any width at another scale, as integers of any width. */
TINYOPS_INTERNAL void tinyops_requantize(const tinyops_requantize_params *p, const void *input,
                                         void *output);

#endif
