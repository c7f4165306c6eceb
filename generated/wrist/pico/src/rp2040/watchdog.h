/* The RP2040's watchdog: resets the chip when it is not fed, or at once; and why it was reset. */
#ifndef TINYOPS_PORT_RP2040_WATCHDOG_H
#define TINYOPS_PORT_RP2040_WATCHDOG_H

#include <stdint.h>

enum { RP2040_WATCHDOG_MS_MAX = 8388 };

typedef enum {
  RP2040_RESET_UNKNOWN,
  RP2040_RESET_POWER_ON,
  RP2040_RESET_PIN,
  RP2040_RESET_DEBUGGER,
  RP2040_RESET_SOFTWARE, /* by rp2040_reset */
  RP2040_RESET_WATCHDOG  /* it was not fed in time */
} rp2040_reset_cause;

/* Why the program started. The same answer until the next reset. */
rp2040_reset_cause rp2040_find_reset_cause(void);

/* Starts the watchdog with `ms` milliseconds, at most RP2040_WATCHDOG_MS_MAX. rp2040_open_clocks
 * comes before. */
void rp2040_watchdog_start(uint32_t ms);

/* Gives it `ms` milliseconds from now. */
void rp2040_watchdog_feed(uint32_t ms);

/* Resets the whole chip but its crystal. RAM keeps its content. Never returns. */
void rp2040_reset(void) __attribute__((noreturn));

#endif
