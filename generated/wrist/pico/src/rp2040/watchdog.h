/* The RP2040's watchdog: resets the chip when it is not fed, or at once; and why it was reset. */
#ifndef TINYOPS_PORT_RP2040_WATCHDOG_H
#define TINYOPS_PORT_RP2040_WATCHDOG_H

#include "tinyops/port.h"

enum {
  RP2040_WATCHDOG_MS = 8000, /* how long the program may do without its main loop */
  RP2040_WATCHDOG_MS_MAX = 8388
};

/* Why the program started. The same answer until the next reset. */
tinyops_reset_cause rp2040_find_reset_cause(void);

/* Starts the watchdog with `ms` milliseconds, at most RP2040_WATCHDOG_MS_MAX. rp2040_open_clocks
 * comes before. */
void rp2040_watchdog_start(uint32_t ms);

/* Gives it `ms` milliseconds from now. */
void rp2040_watchdog_feed(uint32_t ms);

/* Resets the whole chip but its crystal. RAM keeps its content. Never returns. */
void rp2040_reset(void) __attribute__((noreturn));

#endif
