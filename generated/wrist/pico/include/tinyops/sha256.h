/* SHA-256 (FIPS 180-4) of what lies in memory. */
#ifndef TINYOPS_SHA256_H
#define TINYOPS_SHA256_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the 32 bytes of the digest of `count` bytes. Needs about 400 bytes of stack. */
void tinyops_sha256(const uint8_t *bytes, uint32_t count, uint8_t *digest);

#ifdef __cplusplus
}
#endif

#endif
