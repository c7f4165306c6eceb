/* SHA-256, small rather than fast; names as in FIPS 180-4. */
#include "tinyops/sha256.h"

enum { BLOCK_BYTES = 64, WORDS = 16, ROUNDS = 64, STATE_WORDS = 8, LENGTH_AT = 56 };

#if defined(TINYOPS_BOOTLOADER)
/* SHA-512's constants begin with these bits: the same roots of the same primes. */
extern const uint64_t tinyops_sha512_constants[];
#define K(t) ((uint32_t)(tinyops_sha512_constants[t] >> 32))
#else
static const uint32_t k[ROUNDS] = {
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};
#define K(t) k[t]
#endif

static const uint32_t start[STATE_WORDS] = {
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
};

#if defined(__AVR__)
/* A core that shifts bytes bit by bit: whole bytes first, then the shorter way. */
static uint32_t rotate(uint32_t x, uint8_t by) {
  const uint8_t bits = by % 8;
  for (uint8_t bytes = (uint8_t)(by / 8 + (bits > 4)); bytes > 0; bytes--) {
    x = x >> 8 | (uint32_t)(uint8_t)x << 24;
  }
  for (uint8_t left = (uint8_t)(bits > 4 ? 8 - bits : 0); left > 0; left--) {
    x = x << 1 | ((x & 0x80000000) != 0);
  }
  for (uint8_t right = bits > 4 ? 0 : bits; right > 0; right--) {
    x = (x & 1) != 0 ? x >> 1 | 0x80000000 : x >> 1;
  }
  return x;
}
#else
static uint32_t rotate(uint32_t x, uint32_t by) { return x >> by | x << (32 - by); }
#endif

/* The next word of the schedule, kept in a window of 16. */
static uint32_t extend(uint32_t *w, uint_fast8_t t) {
  const uint32_t a = w[(t + 1) % WORDS];
  const uint32_t b = w[(t + 14) % WORDS];
  w[t % WORDS] += (rotate(a, 7) ^ rotate(a, 18) ^ a >> 3) + w[(t + 9) % WORDS] +
                  (rotate(b, 17) ^ rotate(b, 19) ^ b >> 10);
  return w[t % WORDS];
}

/* `s` is a to h; the roles move down instead of the words. */
static void compress(uint32_t *state, const uint8_t *block) {
  uint32_t w[WORDS];
  uint32_t s[STATE_WORDS];
  for (uint_fast8_t i = 0; i < WORDS; i++) {
    const uint8_t *at = block + 4 * i;
    w[i] = (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
  }
  for (uint_fast8_t i = 0; i < STATE_WORDS; i++) {
    s[i] = state[i];
  }
  for (uint_fast8_t t = 0; t < ROUNDS; t++) {
    const uint32_t word = t < WORDS ? w[t] : extend(w, t);
    const uint32_t choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
    const uint32_t majority = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
    const uint32_t one =
        s[7] + (rotate(s[4], 6) ^ rotate(s[4], 11) ^ rotate(s[4], 25)) + choice + K(t) + word;
    const uint32_t two = (rotate(s[0], 2) ^ rotate(s[0], 13) ^ rotate(s[0], 22)) + majority;
    for (uint_fast8_t i = STATE_WORDS - 1; i > 0; i--) {
      s[i] = s[i - 1];
    }
    s[4] += one;
    s[0] = one + two;
  }
  for (uint_fast8_t i = 0; i < STATE_WORDS; i++) {
    state[i] += s[i];
  }
}

/* The last one or two blocks: what is left, a 1 bit, zeros, the length in bits. */
static void finish(uint32_t *state, const uint8_t *rest, uint32_t left, uint32_t count) {
  uint8_t block[BLOCK_BYTES];
  const uint32_t blocks = left < LENGTH_AT ? 1 : 2;
  for (uint32_t at = 0; at < blocks * BLOCK_BYTES; at++) {
    const uint32_t to_end = blocks * BLOCK_BYTES - 1 - at;
    uint8_t byte = at < left ? rest[at] : 0;
    byte = at == left ? 0x80 : byte;
    if (to_end < 5) {
      byte = (uint8_t)(to_end == 4 ? count >> 29 : count << 3 >> (8 * to_end));
    }
    block[at % BLOCK_BYTES] = byte;
    if (at % BLOCK_BYTES == BLOCK_BYTES - 1) {
      compress(state, block);
    }
  }
}

static void begin(uint32_t *state) {
  for (uint32_t i = 0; i < STATE_WORDS; i++) {
    state[i] = start[i];
  }
}

static void give(const uint32_t *state, uint8_t *digest) {
  for (uint32_t i = 0; i < 4 * STATE_WORDS; i++) {
    digest[i] = (uint8_t)(state[i / 4] >> (24 - 8 * (i % 4)));
  }
}

void tinyops_sha256_of(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *digest) {
  uint32_t state[STATE_WORDS];
  uint8_t block[BLOCK_BYTES];
  begin(state);
  uint32_t at = 0;
  for (; count - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    read(context, at, block, BLOCK_BYTES);
    compress(state, block);
  }
  read(context, at, block, count - at);
  finish(state, block, count - at, count);
  give(state, digest);
}

void tinyops_sha256(const uint8_t *bytes, uint32_t count, uint8_t *digest) {
  uint32_t state[STATE_WORDS];
  begin(state);
  uint32_t at = 0;
  for (; count - at >= BLOCK_BYTES; at += BLOCK_BYTES) {
    compress(state, bytes + at);
  }
  finish(state, bytes + at, count - at, count);
  give(state, digest);
}
