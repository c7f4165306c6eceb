/* What GCC may call although nothing in a model names it. Images are linked without a C library, so
 * they bring these themselves. */
#include <stddef.h>
#include <stdint.h>

#include "tinyops/internal.h"

TINYOPS_INTERNAL void *memcpy(void *restrict to, const void *restrict from, size_t count);
TINYOPS_INTERNAL void *memmove(void *to, const void *from, size_t count);
TINYOPS_INTERNAL void *memset(void *to, int value, size_t count);
TINYOPS_INTERNAL int memcmp(const void *a, const void *b, size_t count);

void *memcpy(void *restrict to, const void *restrict from, size_t count) {
  uint8_t *t = (uint8_t *)to;
  const uint8_t *f = (const uint8_t *)from;
  while (count-- > 0) {
    *t++ = *f++;
  }
  return to;
}

void *memmove(void *to, const void *from, size_t count) {
  uint8_t *t = (uint8_t *)to;
  const uint8_t *f = (const uint8_t *)from;
  if ((uintptr_t)t <= (uintptr_t)f) {
    return memcpy(to, from, count);
  }
  while (count-- > 0) {
    t[count] = f[count];
  }
  return to;
}

void *memset(void *to, int value, size_t count) {
  uint8_t *t = (uint8_t *)to;
  while (count-- > 0) {
    *t++ = (uint8_t)value;
  }
  return to;
}

int memcmp(const void *a, const void *b, size_t count) {
  const uint8_t *x = (const uint8_t *)a;
  const uint8_t *y = (const uint8_t *)b;
  for (; count > 0; --count, ++x, ++y) {
    if (*x != *y) {
      return *x < *y ? -1 : 1;
    }
  }
  return 0;
}
