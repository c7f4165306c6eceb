#include "tinyops/kernels/movement.h"

/* 16 bytes, whatever they are bytes of. */
typedef struct {
  uint32_t words[4];
}
#if defined(__GNUC__)
__attribute__((may_alias))
#endif
block;

void tinyops_move(const tinyops_move_params *p, const void *input, void *output) {
  const block *from = (const block *)input;
  block *to = (block *)output;
  if ((uintptr_t)to <= (uintptr_t)from) {
    for (int32_t i = 0; i < p->blocks; ++i) {
      to[i] = from[i];
    }
    return;
  }
  for (int32_t i = p->blocks; i-- > 0;) {
    to[i] = from[i];
  }
}
