#define TINYOPS_POOLED int16_t
#define TINYOPS_POOLED_MIN INT16_MIN
#include "tinyops/kernels/pool_2d_int16.h"

#include "tinyops/kernels/pool_2d_windows.h"

void tinyops_average_pool_2d_int16(const tinyops_pool_2d_params *p, const int16_t *input,
                                   int16_t *output) {
  tinyops_pool_slide(p, input, output, tinyops_pool_average);
}

void tinyops_max_pool_2d_int16(const tinyops_pool_2d_params *p, const int16_t *input,
                               int16_t *output) {
  tinyops_pool_slide(p, input, output, tinyops_pool_maximum);
}
