/* Boards of Arduino's mbed core: Nano 33 BLE. */
#if defined(ARDUINO_ARCH_MBED)

#include "cortex.h"
#include "foreign_mbed.h"

/* The chip's own register: the core is built without mbed's question for it. */
#define NRF_RESET_REASONS CORTEX_REGISTER(0x40000400u)

static const uint32_t WATCHDOG_MS = 8000;

enum { BY_PIN = 1 << 0, BY_WATCHDOG = 1 << 1, BY_SOFTWARE = 1 << 2, BY_LOCK_UP = 1 << 3 };

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  const uint32_t reasons = NRF_RESET_REASONS;
  NRF_RESET_REASONS = reasons; /* ones clear it */
  if ((reasons & BY_LOCK_UP) != 0) {
    return TINYOPS_RESET_FAULT;
  }
  if ((reasons & BY_WATCHDOG) != 0) {
    return TINYOPS_RESET_WATCHDOG;
  }
  if ((reasons & BY_SOFTWARE) != 0) {
    return TINYOPS_RESET_SOFTWARE;
  }
  if ((reasons & BY_PIN) != 0) {
    return TINYOPS_RESET_PIN;
  }
  return reasons == 0 ? TINYOPS_RESET_POWER : TINYOPS_RESET_UNKNOWN;
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
