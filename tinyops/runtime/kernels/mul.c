#include "tinyops/fixed_point.h"
#include "tinyops/kernels/elementwise.h"

void tinyops_mul(const tinyops_mul_params *p, const int8_t *a, const int8_t *b, int8_t *output) {
  const tinyops_broadcast *s = &p->shape;
  for (int32_t n = 0; n < s->extent[0]; ++n) {
    for (int32_t h = 0; h < s->extent[1]; ++h) {
      for (int32_t w = 0; w < s->extent[2]; ++w) {
        const int8_t *x = a + n * s->a_step[0] + h * s->a_step[1] + w * s->a_step[2];
        const int8_t *y = b + n * s->b_step[0] + h * s->b_step[1] + w * s->b_step[2];
        for (int32_t c = 0; c < s->extent[3]; ++c) {
          const int32_t product =
              (x[c * s->a_step[3]] + p->a_offset) * (y[c * s->b_step[3]] + p->b_offset);
          *output++ = tinyops_requantise(product, p->output_multiplier, p->output_shift,
                                         p->output_zero_point, p->min, p->max);
        }
      }
    }
  }
}
