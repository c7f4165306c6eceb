/* What RFC 8032 5.1.7 puts around the curve: SHA-512 of R, key and message, reduced. */
#include "tinyops/ed25519.h"

#include "monocypher.h"
#include "sha512.h"

enum { HALF_BYTES = 32 };

/* Whether 8 times the point is the neutral one: the equation [S]B = R + [h]A, which is checked
 * after a multiplication by 8, then holds for S = 0, the neutral R and h = 1. */
static int32_t has_small_order(const uint8_t *key) {
  static const uint8_t neutral[TINYOPS_ED25519_SIGNATURE_BYTES] = {1};
  static const uint8_t one[HALF_BYTES] = {1};
  return crypto_eddsa_check_equation(neutral, key, one) == 0;
}

/* Apart: the hash is not on the stack while the curve needs it. */
static __attribute__((noinline)) void hash_all(uint8_t *h, const uint8_t *signature,
                                               const uint8_t *key, const uint8_t *message,
                                               uint32_t count) {
  tinyops_sha512 hash;
  uint8_t digest[TINYOPS_SHA512_BYTES];
  tinyops_sha512_begin(&hash);
  tinyops_sha512_take(&hash, signature, HALF_BYTES);
  tinyops_sha512_take(&hash, key, HALF_BYTES);
  tinyops_sha512_take(&hash, message, count);
  tinyops_sha512_end(&hash, digest);
  crypto_eddsa_reduce(h, digest);
}

int32_t tinyops_ed25519_verify(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                               uint32_t count) {
  uint8_t h[HALF_BYTES];
  if (has_small_order(key)) {
    return -1;
  }
  hash_all(h, signature, key, message, count);
  return crypto_eddsa_check_equation(signature, key, h) == 0 ? 0 : -1;
}
