#pragma once
typedef enum {
  RESET_REASON_POWER_ON,
  RESET_REASON_PIN_RESET,
  RESET_REASON_BROWN_OUT,
  RESET_REASON_SOFTWARE,
  RESET_REASON_WATCHDOG,
  RESET_REASON_LOCKUP,
  RESET_REASON_UNKNOWN
} reset_reason_t;
namespace mbed {
struct ResetReason {
  static reset_reason_t get();
};
}  // namespace mbed
