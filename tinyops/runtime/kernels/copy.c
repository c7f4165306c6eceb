#include <string.h>

#include "tinyops/kernels/movement.h"

void tinyops_copy(const tinyops_copy_params *p, const void *input, void *output) {
  const uint8_t *from = (const uint8_t *)input;
  uint8_t *to = (uint8_t *)output + p->offset;
  for (int32_t row = 0; row < p->rows; ++row) {
    memcpy(to, from, (size_t)p->bytes);
    from += p->bytes;
    to += p->stride;
  }
}
