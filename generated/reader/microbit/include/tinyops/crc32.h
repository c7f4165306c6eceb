/* CRC-32 as in Ethernet, zip and zlib, bit by bit: small rather than fast. What lies in flash or in
 * RAM over a reset is told from noise by it. */
#ifndef TINYOPS_CRC32_H
#define TINYOPS_CRC32_H

#include <stdint.h>

#define TINYOPS_CRC32_START 0xffffffffu

/* Goes on over `count` bytes, from TINYOPS_CRC32_START; the CRC is the complement of the last. */
static inline uint32_t tinyops_crc32_more(uint32_t crc, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    crc ^= bytes[i];
    for (uint32_t bit = 0; bit < 8; bit++) {
      crc = (crc >> 1) ^ (0xedb88320u & (0u - (crc & 1u)));
    }
  }
  return crc;
}

#endif
