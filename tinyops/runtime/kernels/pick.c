#include "tinyops/kernels/bytes.h"
#include "tinyops/kernels/movement.h"

void tinyops_pick(const tinyops_pick_params *p, const void *input, const int32_t *offsets,
                  void *output) {
  const int32_t *table[TINYOPS_PICK_TABLES];
  for (int32_t i = 0; i < TINYOPS_PICK_TABLES; ++i) {
    table[i] = offsets;
    offsets += p->extent[i];
  }
  uint8_t *to = (uint8_t *)output;
  for (int32_t a = 0; a < p->extent[0]; ++a) {
    for (int32_t b = 0; b < p->extent[1]; ++b) {
      for (int32_t c = 0; c < p->extent[2]; ++c) {
        const uint8_t *from = (const uint8_t *)input + table[0][a] + table[1][b] + table[2][c];
        for (int32_t d = 0; d < p->extent[3]; ++d, to += p->run) {
          tinyops_copy_bytes(to, from + table[3][d], p->run);
        }
      }
    }
  }
}
