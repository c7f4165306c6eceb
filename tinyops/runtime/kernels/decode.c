#include "tinyops/kernels/decode.h"

#include "tinyops/kernels/coded.h"

void tinyops_decode(const tinyops_decode_params *p, const TINYOPS_FLASH uint8_t *codes,
                    const TINYOPS_FLASH int8_t *table, int8_t *weights) {
  int8_t near[TINYOPS_CODES];
  tinyops_take_table(table, near);
  tinyops_decode_weights(codes, near, p->count, weights);
}
