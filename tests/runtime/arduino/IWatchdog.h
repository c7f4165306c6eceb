#pragma once
#include <stdint.h>
struct IWatchdogClass {
  void begin(uint32_t microseconds);
  void reload();
  bool isReset(bool clear);
};
extern IWatchdogClass IWatchdog;
