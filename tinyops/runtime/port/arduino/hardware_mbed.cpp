/* Boards of Arduino's mbed core: Nano 33 BLE. */
#if defined(ARDUINO_ARCH_MBED)

#include "cortex.h"
#include "foreign_mbed.h"

static const uint32_t WATCHDOG_MS = 8000;

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  const reset_reason_t reason = mbed::ResetReason::get();
  switch (reason) {
    case RESET_REASON_POWER_ON:
      return TINYOPS_RESET_POWER;
    case RESET_REASON_PIN_RESET:
      return TINYOPS_RESET_PIN;
    case RESET_REASON_BROWN_OUT:
      return TINYOPS_RESET_BROWNOUT;
    case RESET_REASON_SOFTWARE:
      return TINYOPS_RESET_SOFTWARE;
    case RESET_REASON_WATCHDOG:
      return TINYOPS_RESET_WATCHDOG;
    case RESET_REASON_LOCKUP:
      return TINYOPS_RESET_FAULT;
    default:
      return TINYOPS_RESET_UNKNOWN;
  }
}

/* FICR.DEVICEID of an nRF52. */
uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  number[0] = CORTEX_REGISTER(0x10000060u);
  number[1] = CORTEX_REGISTER(0x10000064u);
  return 8;
}

void tinyops_arduino_start_watchdog(void) { mbed::Watchdog::get_instance().start(WATCHDOG_MS); }

void tinyops_arduino_feed_watchdog(void) { mbed::Watchdog::get_instance().kick(); }

#endif
