/* Teensy 4: i.MX RT1062. */
#if defined(__IMXRT1062__)

#include "cortex.h"

enum {
  WATCHDOG_ENABLE = 1 << 2,
  WATCHDOG_HALF_SECONDS = 15 << 8, /* counts from 0: 8 seconds */
  STARTED_BY_POWER = 1 << 0,
  STARTED_BY_SOFTWARE = 1 << 1,
  STARTED_BY_WATCHDOG = 1 << 4
};

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  const uint32_t flags = SRC_SRSR;
  SRC_SRSR = flags;
  if ((flags & STARTED_BY_WATCHDOG) != 0) {
    return TINYOPS_RESET_WATCHDOG;
  }
  if ((flags & STARTED_BY_SOFTWARE) != 0) {
    return TINYOPS_RESET_SOFTWARE;
  }
  return (flags & STARTED_BY_POWER) != 0 ? TINYOPS_RESET_POWER : TINYOPS_RESET_UNKNOWN;
}

/* UNIQUE_ID, from fuses. */
uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  number[0] = HW_OCOTP_CFG0;
  number[1] = HW_OCOTP_CFG1;
  return 8;
}

void tinyops_arduino_start_watchdog(void) { WDOG1_WCR = WATCHDOG_HALF_SECONDS | WATCHDOG_ENABLE; }

void tinyops_arduino_feed_watchdog(void) {
  WDOG1_WSR = 0x5555;
  WDOG1_WSR = 0xaaaa;
}

#endif
