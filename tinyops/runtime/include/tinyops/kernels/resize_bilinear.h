/* Bilinear interpolation between pixels, int8. */
#ifndef TINYOPS_KERNELS_RESIZE_BILINEAR_H
#define TINYOPS_KERNELS_RESIZE_BILINEAR_H

#include <stdint.h>

#include "tinyops/internal.h"

#define TINYOPS_RESIZE_ONE 1024 /* a pixel of the input, in the unit of scales and weights */

typedef struct {
  int32_t in_h, in_w, channels;
  int32_t out_h, out_w;
  int32_t scale_h, scale_w; /* of the input, from a pixel of the output to the next */
  int32_t half_pixel;       /* 1: pixels are where their centres are */
} tinyops_resize_bilinear_params;

/* output (out_h, out_w, channels) from input (in_h, in_w, channels), at most 2^15 rows and columns.
 * The output is written in order: it may start as far before `input` as overlap.py computes. */
TINYOPS_INTERNAL void tinyops_resize_bilinear(const tinyops_resize_bilinear_params *p,
                                              const int8_t *input, int8_t *output);

#endif
