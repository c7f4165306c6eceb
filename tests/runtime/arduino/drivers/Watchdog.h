#pragma once
#include <stdint.h>
namespace mbed {
struct Watchdog {
  static Watchdog &get_instance();
  bool start(uint32_t milliseconds);
  void kick();
};
}  // namespace mbed
