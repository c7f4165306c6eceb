/* Mean over neighbouring dimensions, int8. */
#ifndef TINYOPS_KERNELS_MEAN_H
#define TINYOPS_KERNELS_MEAN_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t outer, reduced, inner; /* the input seen as (outer, reduced, inner) */
  int32_t input_offset;          /* reduced times minus the zero point */
  int32_t output_zero_point;
  int32_t multiplier, shift; /* the division by `reduced` is in here */
} tinyops_mean_params;

/* output (outer, inner) = mean of input (outer, reduced, inner). In place, or with `output` before
 * `input`, is allowed. */
TINYOPS_INTERNAL void tinyops_mean(const tinyops_mean_params *p, const int8_t *input,
                                   int8_t *output);

#endif
