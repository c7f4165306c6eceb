/* Thin: see Arduino.h. */
#pragma once
#include <stdint.h>
typedef uint64_t bd_addr_t;
typedef uint64_t bd_size_t;
class DataFlashBlockDevice {
 public:
  static DataFlashBlockDevice &getInstance();
  int read(void *buffer, bd_addr_t address, bd_size_t size);
  int program(const void *buffer, bd_addr_t address, bd_size_t size);
  int erase(bd_addr_t address, bd_size_t size);
};
