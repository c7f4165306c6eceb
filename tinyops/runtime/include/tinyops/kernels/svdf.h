/* SVDF, a recurrent layer of filters with a memory, int8. */
#ifndef TINYOPS_KERNELS_SVDF_H
#define TINYOPS_KERNELS_SVDF_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t inputs;                            /* values of the input */
  int32_t units;                             /* values of the output */
  int32_t rank;                              /* filters of each unit */
  int32_t memory;                            /* features that each filter keeps, the newest last */
  int32_t feature_multiplier, feature_shift; /* from a sum of products to the state's scale */
  int32_t state_zero_point;
  int32_t output_multiplier, output_shift, output_zero_point;
} tinyops_svdf_params;

/* One step. Each filter forgets its oldest feature, takes in a new one from the input (inputs), and
 * adds its memory times its weights over time to its unit's output (units). `feature` (units *
 * rank, inputs), `time` and `state` (units * rank, memory). `feature_bias` (units * rank) holds
 * minus the input's zero point times the filter's weights, `bias` (units) minus the state's zero
 * point times the weights over time, too.
 *
 * Every value of the input is read for every output: buffers do not overlap. */
TINYOPS_INTERNAL void tinyops_svdf_int16(const tinyops_svdf_params *p, const int8_t *input,
                                         const TINYOPS_FLASH int8_t *feature,
                                         const TINYOPS_FLASH int32_t *feature_bias,
                                         const TINYOPS_FLASH int16_t *time,
                                         const TINYOPS_FLASH int32_t *bias, int16_t *state,
                                         int8_t *output);

/* The same with a memory of bytes. */
TINYOPS_INTERNAL void tinyops_svdf_int8(const tinyops_svdf_params *p, const int8_t *input,
                                        const TINYOPS_FLASH int8_t *feature,
                                        const TINYOPS_FLASH int32_t *feature_bias,
                                        const TINYOPS_FLASH int8_t *time,
                                        const TINYOPS_FLASH int32_t *bias, int8_t *state,
                                        int8_t *output);

#endif
