/* Bytes, without a C library. */
#ifndef TINYOPS_UPDATE_BYTES_H
#define TINYOPS_UPDATE_BYTES_H

#include <stdint.h>

#include "tinyops/bytes.h"

void tinyops_bytes_copy(uint8_t *to, const uint8_t *from, uint32_t count);
void tinyops_bytes_fill(uint8_t *to, uint8_t value, uint32_t count);

/* `count` filled up to whole pieces of `unit`, a power of two: no core has to divide. */
static inline uint32_t tinyops_bytes_padded(uint32_t count, uint32_t unit) {
  return (count + unit - 1u) & ~(unit - 1u);
}

/* 1 or 0; every byte is looked at. `any`: whether one is not zero. */
int32_t tinyops_bytes_any(const uint8_t *bytes, uint32_t count);
#endif
