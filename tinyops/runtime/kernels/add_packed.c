#include "tinyops/kernels/sum_packed.h"

static TINYOPS_APART void row(const void *params, tinyops_of_two of, const int8_t *exact,
                              const int8_t *other, int8_t *output, int32_t count,
                              int32_t exact_step, int32_t other_step) {
  (void)of;
  tinyops_packed_sum_row((const tinyops_add_packed_params *)params, exact, other, output, count,
                         exact_step, other_step, TINYOPS_SUM);
}

void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *exact,
                        const int8_t *other, int8_t *output) {
  tinyops_for_each_row(&p->shape, exact, other, output, p, row, 0);
}
