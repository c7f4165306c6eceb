/* SHA-512 (FIPS 180-4), of which Ed25519 is made. Not part of what applications see. */
#ifndef TINYOPS_SIGNATURE_SHA512_H
#define TINYOPS_SIGNATURE_SHA512_H

#include <stdint.h>

enum { TINYOPS_SHA512_BYTES = 64, TINYOPS_SHA512_BLOCK_BYTES = 128 };

/* The caller's: 200 bytes. */
typedef struct {
  uint64_t state[8];
  uint32_t count; /* bytes taken: fewer than 2^29 */
  uint8_t block[TINYOPS_SHA512_BLOCK_BYTES];
} tinyops_sha512;

void tinyops_sha512_begin(tinyops_sha512 *hash);

/* Takes `count` more bytes. Needs about 250 bytes of stack. */
void tinyops_sha512_take(tinyops_sha512 *hash, const uint8_t *bytes, uint32_t count);

/* Writes the 64 bytes of the digest. */
void tinyops_sha512_end(tinyops_sha512 *hash, uint8_t *digest);

#endif
