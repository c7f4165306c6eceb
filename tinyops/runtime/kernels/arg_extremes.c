#include "tinyops/kernels/arg_extremes.h"

/* `sign` is 1 for the largest, -1 for the smallest, and known to the compiler at both calls. */
static inline void search(const tinyops_arg_extreme_params *p, const int8_t *input, int32_t *output,
                          int32_t sign) {
  for (int32_t o = 0; o < p->outer; ++o, input += p->count * p->inner) {
    for (int32_t i = 0; i < p->inner; ++i) {
      const int8_t *value = input + i;
      int32_t best = sign * *value, at = 0;
      for (int32_t k = 1; k < p->count; ++k) {
        value += p->inner;
        if (sign * *value > best) {
          best = sign * *value;
          at = k;
        }
      }
      *output++ = at;
    }
  }
}

void tinyops_arg_max(const tinyops_arg_extreme_params *p, const int8_t *input, int32_t *output) {
  search(p, input, output, 1);
}

void tinyops_arg_min(const tinyops_arg_extreme_params *p, const int8_t *input, int32_t *output) {
  search(p, input, output, -1);
}
