/* Signatures by Ed25519 (RFC 8032), checked. The curve's arithmetic is a library's, fetched at
 * build time; see docs/decisions/0071-crypto-is-fetched.md. */
#ifndef TINYOPS_ED25519_H
#define TINYOPS_ED25519_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_ED25519_SIGNATURE_BYTES 64u
#define TINYOPS_ED25519_KEY_BYTES 32u

/* Returns 0 when `signature` (64 bytes) is that of the public `key` (32 bytes) over `count` bytes,
 * else -1. A signature has one form only: S is below the group's order. A key of small order, zeros
 * among them, signs nothing: for such a key anybody could. Needs about 2 KB of stack. */
int32_t tinyops_ed25519_verify(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                               uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
