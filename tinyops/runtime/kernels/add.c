#include "tinyops/fixed_point.h"
#include "tinyops/kernels/elementwise.h"

/* Operands are brought to a common scale with this many bits to spare. */
static const int32_t left_shift = (int32_t)1 << 20;

static inline int8_t add_one(const tinyops_add_params *p, int32_t a, int32_t b) {
  const int32_t left =
      tinyops_multiply((a + p->a_offset) * left_shift, p->a_multiplier, p->a_shift);
  const int32_t right =
      tinyops_multiply((b + p->b_offset) * left_shift, p->b_multiplier, p->b_shift);
  return tinyops_requantise(left + right, p->output_multiplier, p->output_shift,
                            p->output_zero_point, p->min, p->max);
}

void tinyops_add(const tinyops_add_params *p, const int8_t *a, const int8_t *b, int8_t *output) {
  const tinyops_broadcast *s = &p->shape;
  for (int32_t n = 0; n < s->extent[0]; ++n) {
    for (int32_t h = 0; h < s->extent[1]; ++h) {
      for (int32_t w = 0; w < s->extent[2]; ++w) {
        const int8_t *x = a + n * s->a_step[0] + h * s->a_step[1] + w * s->a_step[2];
        const int8_t *y = b + n * s->b_step[0] + h * s->b_step[1] + w * s->b_step[2];
        for (int32_t c = 0; c < s->extent[3]; ++c) {
          *output++ = add_one(p, x[c * s->a_step[3]], y[c * s->b_step[3]]);
        }
      }
    }
  }
}
