/* Copying bytes from the front, a word at a time where the core allows. */
#ifndef TINYOPS_KERNELS_BYTES_H
#define TINYOPS_KERNELS_BYTES_H

#include <stdint.h>
#include <string.h>

#if defined(__ARM_FEATURE_UNALIGNED) || defined(__x86_64__) || defined(__aarch64__)
#define TINYOPS_ANY_ADDRESS 1 /* words may be read and written at any address */
#else
#define TINYOPS_ANY_ADDRESS 0
#endif

#if defined(__GNUC__)
#define TINYOPS_WORD_AT(address) __builtin_assume_aligned((address), 4)
#else
#define TINYOPS_WORD_AT(address) (address)
#endif

/* to[0..count-1] = from[0..count-1]. `to` may lie before `from` and share bytes with it, or be the
 * same: no byte is read after a byte behind it was written. */
static inline void tinyops_copy_bytes(uint8_t *to, const uint8_t *from, int32_t count) {
  int32_t i = 0;
#if TINYOPS_ANY_ADDRESS
  for (; count - i >= 4; i += 4) {
    uint32_t word;
    memcpy(&word, from + i, 4);
    memcpy(to + i, &word, 4);
  }
#else
  if ((((uintptr_t)to | (uintptr_t)from) & 3u) == 0u) {
    for (; count - i >= 4; i += 4) {
      uint32_t word;
      memcpy(&word, TINYOPS_WORD_AT(from + i), 4);
      memcpy(TINYOPS_WORD_AT(to + i), &word, 4);
    }
  }
#endif
  for (; i < count; ++i) {
    to[i] = from[i];
  }
}

#endif
