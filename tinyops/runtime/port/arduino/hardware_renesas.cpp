/* Uno R4: RA4M1. */
#if defined(ARDUINO_ARCH_RENESAS)

#include <WDT.h>

#include "cortex.h"

static const uint32_t WATCHDOG_MS = 5000; /* about the most that this one can wait */

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  const uint8_t power = R_SYSTEM->RSTSR0;
  const uint16_t others = R_SYSTEM->RSTSR1;
  R_SYSTEM->RSTSR0 = 0;
  R_SYSTEM->RSTSR1 = 0;
  if ((power & 1u) != 0) {
    return TINYOPS_RESET_POWER;
  }
  if ((power & 0x0eu) != 0) {
    return TINYOPS_RESET_BROWNOUT;
  }
  if ((others & 3u) != 0) {
    return TINYOPS_RESET_WATCHDOG;
  }
  return (others & 4u) != 0 ? TINYOPS_RESET_SOFTWARE : TINYOPS_RESET_PIN;
}

uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  const bsp_unique_id_t *own = R_BSP_UniqueIdGet();
  for (uint32_t i = 0; i < 4; i++) {
    number[i] = own->unique_id_words[i];
  }
  return 16;
}

void tinyops_arduino_start_watchdog(void) { (void)WDT.begin(WATCHDOG_MS); }

void tinyops_arduino_feed_watchdog(void) { WDT.refresh(); }

#endif
