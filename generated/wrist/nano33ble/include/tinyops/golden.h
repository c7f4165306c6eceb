/* The input of an image's self-test: bytes that both ends make from a seed, so that an image
 * carries eight bytes instead of a tensor. tinyops/images/golden.py is the same in Python. */
#ifndef TINYOPS_GOLDEN_H
#define TINYOPS_GOLDEN_H

#include <stdint.h>

/* Writes the next `count` bytes; returns the state that the bytes after them begin with. The first
 * call begins with the seed. A linear congruential generator (Numerical Recipes, 2nd edition, 7.1),
 * whose high byte is used. */
static inline uint32_t tinyops_golden_fill(uint32_t state, uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    state = state * 1664525u + 1013904223u;
    bytes[i] = (uint8_t)(state >> 24);
  }
  return state;
}

#endif
