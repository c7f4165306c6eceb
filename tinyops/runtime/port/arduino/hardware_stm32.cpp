/* Boards of the STM32 core. */
#if defined(ARDUINO_ARCH_STM32)

#include <IWatchdog.h>

#include "cortex.h"

static const uint32_t WATCHDOG_US = 8000000;

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  const bool bit = IWatchdog.isReset(true);
  return bit ? TINYOPS_RESET_WATCHDOG : TINYOPS_RESET_UNKNOWN;
}

uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  number[0] = HAL_GetUIDw0();
  number[1] = HAL_GetUIDw1();
  number[2] = HAL_GetUIDw2();
  return 12;
}

void tinyops_arduino_start_watchdog(void) { IWatchdog.begin(WATCHDOG_US); }

void tinyops_arduino_feed_watchdog(void) { IWatchdog.reload(); }

#endif
