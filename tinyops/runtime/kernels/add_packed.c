#include "tinyops/kernels/add_packed.h"

#include "tinyops/kernels/packed.h"

/* sums (n) += values of one operand on the common scale. */
static inline void add_operand(const tinyops_add_packed_operand *o, const int8_t *values, int32_t n,
                               int32_t *sums) {
  const int32_t nudge = 1 << (o->shift - 1);
  for (int32_t i = 0; i < n; ++i) {
    const int32_t doubled = tinyops_left_shift(values[i] + o->offset, o->left);
    const int32_t x = tinyops_packed_high_mul(doubled, o->multiplier);
    sums[i] += (x + (x >> 31) + nudge) >> o->shift;
  }
}

/* `n` is known to the compiler at both calls. */
static inline void add_some(const tinyops_add_packed_params *p, const int8_t *a, const int8_t *b,
                            int32_t n, int8_t *output) {
  const tinyops_packed_factor f =
      tinyops_packed_factor_of(p->output_multiplier, p->output_shift, 2 * p->output_zero_point + 1);
  int32_t sums[4] = {0};
  add_operand(&p->a, a, n, sums);
  add_operand(&p->b, b, n, sums);
  for (int32_t i = 0; i < n; ++i) {
    output[i] = tinyops_packed_requantise(sums[i], f);
  }
}

void tinyops_add_packed(const tinyops_add_packed_params *p, const int8_t *a, const int8_t *b,
                        int8_t *output) {
  int32_t i = 0;
  for (; i + 4 <= p->count; i += 4) {
    add_some(p, a + i, b + i, 4, output + i);
  }
  for (; i < p->count; ++i) {
    add_some(p, a + i, b + i, 1, output + i);
  }
  tinyops_packed_clamp(output, p->count, p->min, p->max);
}
