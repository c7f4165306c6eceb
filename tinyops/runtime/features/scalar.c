#include "tinyops/features/scalar.h"

int32_t tinyops_leading_zeros(uint32_t value) {
#ifdef __GNUC__
  return value == 0 ? 32 : (int32_t)__builtin_clzl(value) - (int32_t)(8 * sizeof(long) - 32);
#else
  int32_t zeros = 32;
  for (; value != 0; value >>= 1) {
    zeros -= 1;
  }
  return zeros;
#endif
}

int32_t tinyops_log2(uint64_t value, const uint16_t *table) {
  if (value == 0) {
    return 0;
  }
  const uint32_t high = (uint32_t)(value >> 32);
  const int32_t zeros =
      high != 0 ? tinyops_leading_zeros(high) : 32 + tinyops_leading_zeros((uint32_t)value);
  const uint32_t mantissa = (uint32_t)((value << zeros) >> 32); /* its highest bit is set */
  const int32_t i = (int32_t)(mantissa >> 25) & 63;
  const int32_t between = (int32_t)(mantissa >> 9) & 0xffff;
  const int32_t step = (int32_t)table[i + 1] - (int32_t)table[i];
  const int32_t fraction = (int32_t)table[i] + ((step * between + 0x8000) >> 16);
  /* 2^15 to the octave become TINYOPS_LOG_UNITS. */
  return (((63 - zeros) << 15) + fraction + 32) >> 6;
}

static uint32_t root32(uint32_t value) {
  uint32_t root = 0;
  for (uint32_t bit = (uint32_t)1 << 30; bit != 0; bit >>= 2) {
    const uint32_t trial = root + bit;
    root >>= 1;
    if (value >= trial) {
      value -= trial;
      root += bit;
    }
  }
  return root;
}

uint32_t tinyops_root(uint64_t value) {
  if (value <= UINT32_MAX) {
    return root32((uint32_t)value);
  }
  uint64_t root = 0;
  for (uint64_t bit = (uint64_t)1 << 62; bit != 0; bit >>= 2) {
    const uint64_t trial = root + bit;
    root >>= 1;
    if (value >= trial) {
      value -= trial;
      root += bit;
    }
  }
  return (uint32_t)root;
}
