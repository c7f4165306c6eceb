/* Bytes that must be the same: digests, contracts. */
#ifndef TINYOPS_BYTES_H
#define TINYOPS_BYTES_H

#include <stdint.h>

/* 1 or 0; every byte is looked at. */
static inline int32_t tinyops_bytes_differ(const uint8_t *a, const uint8_t *b, uint32_t count) {
  uint32_t found = 0;
  while (count-- > 0u) {
    found |= (uint32_t)(a[count] ^ b[count]);
  }
  return found != 0u;
}

#endif
