/* Numbers as the link and the settings have them: little-endian, at any address. */
#ifndef TINYOPS_LITTLE_ENDIAN_H
#define TINYOPS_LITTLE_ENDIAN_H

#include <stdint.h>

static inline uint16_t tinyops_get16(const uint8_t *bytes) {
  return (uint16_t)(bytes[0] | (uint32_t)bytes[1] << 8);
}

static inline uint32_t tinyops_get32(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* Writes the low 16 bits. */
static inline void tinyops_put16(uint8_t *bytes, uint32_t value) {
  bytes[0] = (uint8_t)value;
  bytes[1] = (uint8_t)(value >> 8);
}

static inline void tinyops_put32(uint8_t *bytes, uint32_t value) {
  tinyops_put16(bytes, value);
  tinyops_put16(bytes + 2, value >> 16);
}

#endif
