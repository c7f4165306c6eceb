/* Inner products of int8 and int16 vectors: what convolutions, dense and recurrent layers spend
 * their time in. */
#ifndef TINYOPS_KERNELS_DOT_H
#define TINYOPS_KERNELS_DOT_H

#include <stdint.h>

#include "tinyops/internal.h"

#if defined(__ARM_FEATURE_DSP) && __ARM_FEATURE_DSP
#include <arm_acle.h>
#include <string.h>

/* Four int8 at any address. */
static inline int8x4_t tinyops_load4(const int8_t *at) {
  int8x4_t word;
  memcpy(&word, at, 4);
  return word;
}

/* Bytes 1 and 3, where sxtb16 looks for them. */
static inline int8x4_t tinyops_odd_bytes(int8x4_t word) {
  return (int8x4_t)(((uint32_t)word >> 8) | ((uint32_t)word << 24));
}

/* acc + sum of a[i] * b[i], i < n. Two multiplications an instruction; even and odd bytes apart. */
static inline int32_t tinyops_dot(const int8_t *a, const TINYOPS_FLASH int8_t *b, int32_t n,
                                  int32_t acc) {
  for (; n >= 4; n -= 4, a += 4, b += 4) {
    const int8x4_t x = tinyops_load4(a);
    const int8x4_t y = tinyops_load4(b);
    acc = __smlad(__sxtb16(x), __sxtb16(y), acc);
    acc = __smlad(__sxtb16(tinyops_odd_bytes(x)), __sxtb16(tinyops_odd_bytes(y)), acc);
  }
  for (; n > 0; --n) {
    acc += *a++ * *b++;
  }
  return acc;
}

/* acc + sum of a[i] * b[i], i < n, modulo 2^32, with every a[i] moved down from a[i + 1] before. */
static inline int32_t tinyops_shift_dot_int16(int16_t *a, const TINYOPS_FLASH int16_t *b, int32_t n,
                                              int32_t acc) {
  for (; n >= 2; n -= 2, a += 2, b += 2) {
    int16x2_t x;
    int16x2_t y;
    memcpy(&x, a + 1, 4);
    memcpy(&y, b, 4);
    memcpy(a, &x, 4);
    acc = __smlad(x, y, acc);
  }
  if (n > 0) {
    a[0] = a[1];
    acc = (int32_t)((uint32_t)acc + (uint32_t)((int32_t)a[0] * b[0]));
  }
  return acc;
}
#else
/* acc + sum of a[i] * b[i], i < n. */
static inline int32_t tinyops_dot(const int8_t *a, const TINYOPS_FLASH int8_t *b, int32_t n,
                                  int32_t acc) {
  for (int32_t i = 0; i < n; ++i) {
    acc += a[i] * b[i];
  }
  return acc;
}

/* acc + sum of a[i] * b[i], i < n, modulo 2^32, with every a[i] moved down from a[i + 1] before. */
static inline int32_t tinyops_shift_dot_int16(int16_t *a, const TINYOPS_FLASH int16_t *b, int32_t n,
                                              int32_t acc) {
  uint32_t sum = (uint32_t)acc;
  for (int32_t i = 0; i < n; ++i) {
    a[i] = a[i + 1];
    sum += (uint32_t)((int32_t)a[i] * b[i]);
  }
  return (int32_t)sum;
}
#endif

/* Sum of a[i], i < n. */
static inline int32_t tinyops_sum(const TINYOPS_FLASH int8_t *a, int32_t n) {
  int32_t sum = 0;
  for (int32_t i = 0; i < n; ++i) {
    sum += a[i];
  }
  return sum;
}

#endif
