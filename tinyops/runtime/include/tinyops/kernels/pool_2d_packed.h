/* Average and maximum pooling, int8, four channels at a time, for cores with the DSP extension. */
#ifndef TINYOPS_KERNELS_POOL_2D_PACKED_H
#define TINYOPS_KERNELS_POOL_2D_PACKED_H

#include "tinyops/kernels/pool_2d.h"

/* As tinyops_average_pool_2d and tinyops_max_pool_2d, in the same order, for at least 4 channels
 * and a window of at most 255 columns. */
TINYOPS_INTERNAL void tinyops_average_pool_2d_packed(const tinyops_pool_2d_params *p,
                                                     const int8_t *input, int8_t *output);
TINYOPS_INTERNAL void tinyops_max_pool_2d_packed(const tinyops_pool_2d_params *p,
                                                 const int8_t *input, int8_t *output);

#endif
