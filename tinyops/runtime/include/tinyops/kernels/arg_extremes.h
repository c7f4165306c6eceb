/* Where the largest or the smallest int8 along a dimension lies. */
#ifndef TINYOPS_KERNELS_ARG_EXTREMES_H
#define TINYOPS_KERNELS_ARG_EXTREMES_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t outer, count, inner; /* the input seen as (outer, count, inner) */
} tinyops_arg_extreme_params;

/* output (outer, inner) = index, in 0..count-1, of the largest or smallest of input (outer, count,
 * inner); of equal values the first. The buffers must not overlap. */
TINYOPS_INTERNAL void tinyops_arg_max(const tinyops_arg_extreme_params *p, const int8_t *input,
                                      int32_t *output);
TINYOPS_INTERNAL void tinyops_arg_min(const tinyops_arg_extreme_params *p, const int8_t *input,
                                      int32_t *output);

#endif
