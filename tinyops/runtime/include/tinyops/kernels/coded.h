/* Weights of at most sixteen different values, as codes of four bits: what is stored is which entry
 * of a table a weight is, two of them a byte, the first in the lower half. */
#ifndef TINYOPS_KERNELS_CODED_H
#define TINYOPS_KERNELS_CODED_H

#include <stdint.h>

#include "tinyops/internal.h"
#include "tinyops/kernels/dot.h"

enum { TINYOPS_CODES = 16 }; /* entries of a table */

/* Bytes of `count` codes. Each filter begins at a byte of its own. */
static inline int32_t tinyops_coded_bytes(int32_t count) { return (count + 1) / 2; }

/* to[i] = table[code i], i < TINYOPS_CODES: out of flash, where a look-up is dear. */
static inline void tinyops_take_table(const TINYOPS_FLASH int8_t *table, int8_t to[TINYOPS_CODES]) {
  for (int32_t i = 0; i < TINYOPS_CODES; ++i) {
    to[i] = table[i];
  }
}

/* to[i] = the weight of code i, i < count. */
static inline void tinyops_decode_weights(const TINYOPS_FLASH uint8_t *codes,
                                          const int8_t table[TINYOPS_CODES], int32_t count,
                                          int8_t *to) {
  for (; count >= 2; count -= 2, to += 2) {
    const uint8_t two = *codes++;
    to[0] = table[two & 15u];
    to[1] = table[two >> 4];
  }
  if (count > 0) {
    *to = table[*codes & 15u];
  }
}

/* acc + sum of a[i] * weight of code i, i < n. One product at a time: where int has 16 bits, it
 * does not hold two of -128 * -128. */
static inline int32_t tinyops_coded_dot(const int8_t *a, const TINYOPS_FLASH uint8_t *codes,
                                        const int8_t table[TINYOPS_CODES], int32_t n, int32_t acc) {
  for (; n >= 2; n -= 2, a += 2) {
    const uint8_t two = *codes++;
    acc += a[0] * table[two & 15u];
    acc += a[1] * table[two >> 4];
  }
  if (n > 0) {
    acc += *a * table[*codes & 15u];
  }
  return acc;
}

/* acc + sum of a[i] * b[i], i < n, both in RAM: on AVR another address space than that of
 * constants. */
static inline int32_t tinyops_near_dot(const int8_t *a, const int8_t *b, int32_t n, int32_t acc) {
#if defined(__AVR__)
  for (int32_t i = 0; i < n; ++i) {
    acc += a[i] * b[i];
  }
  return acc;
#else
  return tinyops_dot(a, b, n, acc);
#endif
}

/* Sum of a[i], i < n, in RAM. */
static inline int32_t tinyops_near_sum(const int8_t *a, int32_t n) {
  int32_t sum = 0;
  for (int32_t i = 0; i < n; ++i) {
    sum += a[i];
  }
  return sum;
}

#endif
