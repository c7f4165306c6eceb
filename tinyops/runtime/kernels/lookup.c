#include "tinyops/kernels/movement.h"

void tinyops_lookup(const tinyops_lookup_params *p, const void *input, const uint8_t *table,
                    void *output) {
  const uint8_t *from = (const uint8_t *)input;
  uint8_t *to = (uint8_t *)output;
  for (int32_t i = 0; i < p->count; ++i) {
    to[i] = table[from[i]];
  }
}
