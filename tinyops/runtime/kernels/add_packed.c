#include "tinyops/kernels/sum_packed.h"

static TINYOPS_APART void row(const void *params, const int8_t *exact, const int8_t *other,
                              int8_t *output) {
  tinyops_packed_sum_row((const tinyops_add_packed_params *)params, exact, other, output,
                         TINYOPS_SUM);
}

void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *exact,
                        const int8_t *other, int8_t *output) {
  tinyops_for_each_row(&p->shape, exact, other, output, p, row);
}
