/* Milliseconds, and an end to a sleep, from TIMER1. */
#ifndef TINYOPS_PORT_NRF5_CLOCK_H
#define TINYOPS_PORT_NRF5_CLOCK_H

#include <stdint.h>

enum { NRF5_CLOCK_IRQ = 9 };

/* Starts at 0; when it runs already, it goes on. */
void nrf5_clock_open(void);

/* Milliseconds since it was started, modulo 2^32. An nRF51's timer runs over every 2 s: a time
 * without a call as long as that, an inference for one, is lost in whole rounds. */
uint32_t nrf5_clock_now_ms(void);

/* Marks NRF5_CLOCK_IRQ pending in `ms` milliseconds, at most 2000. */
void nrf5_clock_wake_after(uint32_t ms);

/* Takes back what wake_after asked for, whether it came to pass or not. */
void nrf5_clock_stop_waking(void);

#endif
