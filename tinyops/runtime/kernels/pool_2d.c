#define TINYOPS_POOLED int8_t
#define TINYOPS_POOLED_MIN INT8_MIN
#include "tinyops/kernels/pool_2d_windows.h"

void tinyops_average_pool_2d(const tinyops_pool_2d_params *p, const int8_t *input, int8_t *output) {
  tinyops_pool_slide(p, input, output, tinyops_pool_average);
}

void tinyops_max_pool_2d(const tinyops_pool_2d_params *p, const int8_t *input, int8_t *output) {
  tinyops_pool_slide(p, input, output, tinyops_pool_maximum);
}
