/* SHA-256 (FIPS 180-4) of what lies in memory, or can be read from elsewhere. */
#ifndef TINYOPS_SHA256_H
#define TINYOPS_SHA256_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Writes the 32 bytes of the digest of `count` bytes. Needs about 400 bytes of stack. */
void tinyops_sha256(const uint8_t *bytes, uint32_t count, uint8_t *digest);

/* Puts `count` bytes, at most 64, from the place `at` on into `bytes`. */
typedef void (*tinyops_sha256_reader)(void *context, uint32_t at, uint8_t *bytes, uint32_t count);

/* The same of `count` bytes from place 0 on that no pointer reaches, as an AVR's flash; `read` gets
 * them in order. Needs 64 bytes of stack more. */
void tinyops_sha256_of(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *digest);

#ifdef __cplusplus
}
#endif

#endif
