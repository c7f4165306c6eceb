#include "tinyops/kernels/movement.h"

static int inside(const tinyops_pad_params *p, int dimension, int32_t at) {
  return at >= p->before[dimension] && at < p->before[dimension] + p->in[dimension];
}

void tinyops_pad(const tinyops_pad_params *p, const void *input, void *output) {
  const int8_t *from = (const int8_t *)input;
  int8_t *to = (int8_t *)output;
  for (int32_t n = 0; n < p->out[0]; ++n) {
    for (int32_t h = 0; h < p->out[1]; ++h) {
      for (int32_t w = 0; w < p->out[2]; ++w) {
        const int row = inside(p, 0, n) && inside(p, 1, h) && inside(p, 2, w);
        for (int32_t c = 0; c < p->out[3]; ++c) {
          *to++ = row && inside(p, 3, c) ? *from++ : (int8_t)p->value;
        }
      }
    }
  }
}
