#include "tinyops/kernels/mul_packed.h"

#include "tinyops/kernels/packed.h"

static TINYOPS_APART void row(const void *params, const int8_t *a, const int8_t *b,
                              int8_t *output) {
  const tinyops_mul_packed_params *p = (const tinyops_mul_packed_params *)params;
  const int32_t count = p->shape.extent[3], a_step = p->shape.a_step[3],
                b_step = p->shape.b_step[3];
  const tinyops_packed_factor f =
      tinyops_packed_factor_of(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
  const int32_t a_offset = p->a_offset, b_offset = p->b_offset;
  const int8_t *end = output + count;
  if (a_step && b_step) {
    for (int8_t *to = output; to != end; ++to) {
      *to = tinyops_packed_requantise((*a++ + a_offset) * (*b++ + b_offset), f);
    }
  } else {
    const int32_t fixed = a_step ? *b + b_offset : *a + a_offset;
    const int32_t offset = a_step ? a_offset : b_offset;
    const int32_t step = a_step + b_step; /* 0 where each has one value */
    const int8_t *from = a_step ? a : b;
    for (int8_t *to = output; to != end; ++to, from += step) {
      *to = tinyops_packed_requantise((*from + offset) * fixed, f);
    }
  }
  tinyops_packed_clamp(output, count, p->min, p->max);
}

void tinyops_mul_packed(const tinyops_mul_packed_params *p, const int8_t *a, const int8_t *b,
                        int8_t *output) {
  tinyops_for_each_row(&p->shape, a, b, output, p, row);
}
