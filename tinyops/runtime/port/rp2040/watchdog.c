/* Facts: RP2040 datasheet 2.12.8 (reason of the chip's reset), 2.13.5 (what a reset reaches), 4.7
 * (watchdog); erratum RP2040-E1: it counts down twice a tick. */
#include "watchdog.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define WATCHDOG_CONTROL REGISTER(0x40058000u)
#define WATCHDOG_LOAD REGISTER(0x40058004u)
#define WATCHDOG_REASON REGISTER(0x40058008u)
#define POWER_WATCHDOG_SELECT REGISTER(0x40010008u)
#define CHIP_RESET REGISTER(0x40064008u)

#define ON (1u << 30)
#define TRIGGER (1u << 31)
#define EVERYTHING_BUT_OSCILLATORS 0x0001fffcu
#define BY_TIMER 1u
#define BY_FORCE 2u
#define BY_POWER_ON (1u << 8)
#define BY_PIN (1u << 16)
#define BY_DEBUGGER (1u << 20)
#define COUNTS_A_MS 2000u

tinyops_reset_cause rp2040_find_reset_cause(void) {
  const uint32_t watchdog =
      WATCHDOG_REASON; /* first: the chip's reason stays over the watchdog's */
  const uint32_t chip = CHIP_RESET;
  if ((watchdog & BY_TIMER) != 0) {
    return TINYOPS_RESET_WATCHDOG;
  }
  if ((watchdog & BY_FORCE) != 0) {
    return TINYOPS_RESET_SOFTWARE; /* rp2040_reset's */
  }
  if ((chip & BY_PIN) != 0) {
    return TINYOPS_RESET_PIN;
  }
  if ((chip & BY_DEBUGGER) != 0) {
    return TINYOPS_RESET_SOFTWARE;
  }
  return (chip & BY_POWER_ON) != 0 ? TINYOPS_RESET_POWER : TINYOPS_RESET_UNKNOWN;
}

void rp2040_watchdog_feed(uint32_t ms) {
  const uint32_t most = RP2040_WATCHDOG_MS_MAX;
  WATCHDOG_LOAD = (ms < most ? ms : most) * COUNTS_A_MS;
}

void rp2040_watchdog_start(uint32_t ms) {
  WATCHDOG_CONTROL = 0;
  POWER_WATCHDOG_SELECT = EVERYTHING_BUT_OSCILLATORS;
  rp2040_watchdog_feed(ms);
  WATCHDOG_CONTROL = ON; /* counts also while a debugger holds a core */
}

void rp2040_reset(void) {
  POWER_WATCHDOG_SELECT = EVERYTHING_BUT_OSCILLATORS;
  WATCHDOG_CONTROL = TRIGGER;
  for (;;) {
  }
}
