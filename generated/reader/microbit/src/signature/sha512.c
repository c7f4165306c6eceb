/* SHA-512, small rather than fast; names as in FIPS 180-4. */
#include "sha512.h"

enum {
  BLOCK_BYTES = TINYOPS_SHA512_BLOCK_BYTES,
  WORDS = 16,
  ROUNDS = 80,
  STATE_WORDS = 8,
  LENGTH_BYTES = 16
};

/* Shared with SHA-256 where both are; see there. */
extern const uint64_t tinyops_sha512_constants[ROUNDS];
const uint64_t tinyops_sha512_constants[ROUNDS] = {
    0x428a2f98d728ae22, 0x7137449123ef65cd, 0xb5c0fbcfec4d3b2f, 0xe9b5dba58189dbbc,
    0x3956c25bf348b538, 0x59f111f1b605d019, 0x923f82a4af194f9b, 0xab1c5ed5da6d8118,
    0xd807aa98a3030242, 0x12835b0145706fbe, 0x243185be4ee4b28c, 0x550c7dc3d5ffb4e2,
    0x72be5d74f27b896f, 0x80deb1fe3b1696b1, 0x9bdc06a725c71235, 0xc19bf174cf692694,
    0xe49b69c19ef14ad2, 0xefbe4786384f25e3, 0x0fc19dc68b8cd5b5, 0x240ca1cc77ac9c65,
    0x2de92c6f592b0275, 0x4a7484aa6ea6e483, 0x5cb0a9dcbd41fbd4, 0x76f988da831153b5,
    0x983e5152ee66dfab, 0xa831c66d2db43210, 0xb00327c898fb213f, 0xbf597fc7beef0ee4,
    0xc6e00bf33da88fc2, 0xd5a79147930aa725, 0x06ca6351e003826f, 0x142929670a0e6e70,
    0x27b70a8546d22ffc, 0x2e1b21385c26c926, 0x4d2c6dfc5ac42aed, 0x53380d139d95b3df,
    0x650a73548baf63de, 0x766a0abb3c77b2a8, 0x81c2c92e47edaee6, 0x92722c851482353b,
    0xa2bfe8a14cf10364, 0xa81a664bbc423001, 0xc24b8b70d0f89791, 0xc76c51a30654be30,
    0xd192e819d6ef5218, 0xd69906245565a910, 0xf40e35855771202a, 0x106aa07032bbd1b8,
    0x19a4c116b8d2d0c8, 0x1e376c085141ab53, 0x2748774cdf8eeb99, 0x34b0bcb5e19b48a8,
    0x391c0cb3c5c95a63, 0x4ed8aa4ae3418acb, 0x5b9cca4f7763e373, 0x682e6ff3d6b2b8a3,
    0x748f82ee5defb2fc, 0x78a5636f43172f60, 0x84c87814a1f0ab72, 0x8cc702081a6439ec,
    0x90befffa23631e28, 0xa4506cebde82bde9, 0xbef9a3f7b2c67915, 0xc67178f2e372532b,
    0xca273eceea26619c, 0xd186b8c721c0c207, 0xeada7dd6cde0eb1e, 0xf57d4f7fee6ed178,
    0x06f067aa72176fba, 0x0a637dc5a2c898a6, 0x113f9804bef90dae, 0x1b710b35131c471b,
    0x28db77f523047d84, 0x32caab7b40c72493, 0x3c9ebe0a15c9bebc, 0x431d67c49c100d4c,
    0x4cc5d4becb3e42b6, 0x597f299cfc657e2a, 0x5fcb6fab3ad6faec, 0x6c44198c4a475817,
};

static const uint64_t start[STATE_WORDS] = {
    0x6a09e667f3bcc908, 0xbb67ae8584caa73b, 0x3c6ef372fe94f82b, 0xa54ff53a5f1d36f1,
    0x510e527fade682d1, 0x9b05688c2b3e6c1f, 0x1f83d9abfb41bd6b, 0x5be0cd19137e2179,
};

/* Not inlined: on a core of 32 bits it is long, and eight others are not. */
static __attribute__((noinline)) uint64_t rotate(uint64_t x, uint32_t by) {
  return x >> by | x << (64 - by);
}

static uint64_t get(const uint8_t *at) {
  uint64_t word = 0;
  for (uint32_t i = 0; i < 8; i++) {
    word = word << 8 | at[i];
  }
  return word;
}

/* The next word of the schedule, kept in a window of 16. */
static uint64_t extend(uint64_t *w, uint32_t t) {
  const uint64_t a = w[(t + 1) % WORDS];
  const uint64_t b = w[(t + 14) % WORDS];
  w[t % WORDS] += (rotate(a, 1) ^ rotate(a, 8) ^ a >> 7) + w[(t + 9) % WORDS] +
                  (rotate(b, 19) ^ rotate(b, 61) ^ b >> 6);
  return w[t % WORDS];
}

/* `s` is a to h; the roles move down instead of the words. */
static void compress(uint64_t *state, const uint8_t *block) {
  uint64_t w[WORDS];
  uint64_t s[STATE_WORDS];
  for (uint32_t i = 0; i < STATE_WORDS; i++) {
    s[i] = state[i];
  }
  for (uint32_t t = 0; t < ROUNDS; t++) {
    if (t < WORDS) {
      w[t] = get(block + 8 * t);
    }
    const uint64_t word = t < WORDS ? w[t] : extend(w, t);
    const uint64_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint64_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint64_t one = s[7] + (rotate(s[4], 14) ^ rotate(s[4], 18) ^ rotate(s[4], 41)) + choice +
                         tinyops_sha512_constants[t] + word;
    const uint64_t two = (rotate(s[0], 28) ^ rotate(s[0], 34) ^ rotate(s[0], 39)) + majority;
    for (uint32_t i = STATE_WORDS - 1; i > 0; i--) {
      s[i] = s[i - 1];
    }
    s[4] += one;
    s[0] = one + two;
  }
  for (uint32_t i = 0; i < STATE_WORDS; i++) {
    state[i] += s[i];
  }
}

void tinyops_sha512_begin(tinyops_sha512 *hash) {
  for (uint32_t i = 0; i < STATE_WORDS; i++) {
    hash->state[i] = start[i];
  }
  hash->count = 0;
}

static void take_byte(tinyops_sha512 *hash, uint8_t byte) {
  hash->block[hash->count % BLOCK_BYTES] = byte;
  hash->count++;
  if (hash->count % BLOCK_BYTES == 0) {
    compress(hash->state, hash->block);
  }
}

void tinyops_sha512_take(tinyops_sha512 *hash, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    take_byte(hash, bytes[i]);
  }
}

/* A 1 bit, zeros up to a whole block, whose last 16 bytes are the length in bits. */
void tinyops_sha512_end(tinyops_sha512 *hash, uint8_t *digest) {
  const uint32_t bits = hash->count * 8;
  take_byte(hash, 0x80);
  while (hash->count % BLOCK_BYTES != BLOCK_BYTES - LENGTH_BYTES) {
    take_byte(hash, 0);
  }
  for (uint32_t to_end = LENGTH_BYTES; to_end > 0; to_end--) {
    take_byte(hash, (uint8_t)(to_end <= 4 ? bits >> (8 * to_end - 8) : 0));
  }
  for (uint32_t i = 0; i < TINYOPS_SHA512_BYTES; i++) {
    digest[i] = (uint8_t)(hash->state[i / 8] >> (56 - 8 * (i % 8)));
  }
}
