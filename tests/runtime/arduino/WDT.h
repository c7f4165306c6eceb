#pragma once
#include <stdint.h>
struct WatchdogClass {
  int begin(uint32_t milliseconds);
  void refresh();
};
extern WatchdogClass WDT;
