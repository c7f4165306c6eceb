/* The machine's watchdog: warns by NMI, then resets. */
#ifndef TINYOPS_PORT_MPS2_WATCHDOG_H
#define TINYOPS_PORT_MPS2_WATCHDOG_H

/* Starts it with TINYOPS_WATCHDOG_MS. */
void mps2_watchdog_start(void);

/* Gives it the same time from now. */
void mps2_watchdog_feed(void);

#endif
