#include "tinyops/kernels/sum_packed.h"

static TINYOPS_APART void exact_first(const void *params, const int8_t *exact, const int8_t *other,
                                      int8_t *output) {
  tinyops_packed_sum_row((const tinyops_add_packed_params *)params, exact, other, output,
                         TINYOPS_EXACT_FIRST);
}

static TINYOPS_APART void other_first(const void *params, const int8_t *exact, const int8_t *other,
                                      int8_t *output) {
  tinyops_packed_sum_row((const tinyops_add_packed_params *)params, exact, other, output,
                         TINYOPS_OTHER_FIRST);
}

void tinyops_sub_packed(const tinyops_add_packed_params *p, const int8_t *exact,
                        const int8_t *other, int8_t *output) {
  if (p->negate) {
    tinyops_for_each_row(&p->shape, exact, other, output, p, other_first);
  } else {
    tinyops_for_each_row(&p->shape, exact, other, output, p, exact_first);
  }
}
