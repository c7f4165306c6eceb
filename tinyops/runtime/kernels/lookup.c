#include "tinyops/kernels/movement.h"

void tinyops_lookup(const tinyops_lookup_params *p, const void *input, const uint8_t *table,
                    void *output) {
  const uint8_t *from = (const uint8_t *)input;
  uint8_t *to = (uint8_t *)output;
  const uint8_t *end = to + p->count;
  for (; end - to >= 4; to += 4, from += 4) {
    to[0] = table[from[0]];
    to[1] = table[from[1]];
    to[2] = table[from[2]];
    to[3] = table[from[3]];
  }
  while (to != end) {
    *to++ = table[*from++];
  }
}
