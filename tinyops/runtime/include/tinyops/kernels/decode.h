/* Coded weights in front of a kernel that reads them as they are. */
#ifndef TINYOPS_KERNELS_DECODE_H
#define TINYOPS_KERNELS_DECODE_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t count; /* weights */
} tinyops_decode_params;

/* weights (count) = table (16) at codes (count, two a byte; see coded.h). */
TINYOPS_INTERNAL void tinyops_decode(const tinyops_decode_params *p,
                                     const TINYOPS_FLASH uint8_t *codes,
                                     const TINYOPS_FLASH int8_t *table, int8_t *weights);

#endif
