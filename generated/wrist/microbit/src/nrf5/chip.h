/* What an nRF51 or nRF52 knows of itself: why it started, whether its program lives, its supply. */
#ifndef TINYOPS_PORT_NRF5_CHIP_H
#define TINYOPS_PORT_NRF5_CHIP_H

#include <stdint.h>

#include "tinyops/port.h"

/* Why the chip started, as the register RESETREAS at `reasons` says; forgets it, so that the next
 * start is told from this one. */
tinyops_reset_cause nrf5_take_reset_cause(volatile uint32_t *reasons);

/* Starts the watchdog, which only a reset can stop: without food for 30 s it resets the chip. When
 * it runs already, feeds it. */
void nrf5_watchdog_start(void);
void nrf5_watchdog_feed(void);

/* Millivolts of VDD, measured by the SAADC of an nRF52; 0 when it does not answer. Takes about 50
 * microseconds. */
uint32_t nrf52_supply_mv(void);

#endif
