#include "watchdog.h"

#include <stdint.h>

#define REGISTER(address) (*(volatile uint32_t *)(address))

#if __ARM_ARCH >= 8
#define WATCHDOG(offset) REGISTER(0x50081000u + (offset))
enum { WATCHDOG_HZ = 20000000 };
#else
#define WATCHDOG(offset) REGISTER(0x40008000u + (offset))
enum { WATCHDOG_HZ = 25000000 };
#endif

/* How long the program may do without its main loop. */
#ifndef TINYOPS_WATCHDOG_MS
#define TINYOPS_WATCHDOG_MS 8000
#endif

enum { LOAD = 0x00, CONTROL = 0x08, CLEAR = 0x0c, WARNS_AND_RESETS = 3 };

void mps2_watchdog_start(void) {
  WATCHDOG(LOAD) = TINYOPS_WATCHDOG_MS * (WATCHDOG_HZ / 1000u);
  WATCHDOG(CONTROL) = WARNS_AND_RESETS;
}

void mps2_watchdog_feed(void) { WATCHDOG(CLEAR) = 1; /* loads the time anew */ }
