/* What is on a board besides the chip, where its pins.h names it: an LED, a third of the supply
 * voltage. On a Pico W both lead through the radio's chip, and there is neither. */
#ifndef TINYOPS_PORT_RP2040_PICO_H
#define TINYOPS_PORT_RP2040_PICO_H

#include <stdint.h>

#include "pins.h"

#if defined(BOARD_LED_PIN)
/* Switches the LED. rp2040_open_clocks comes before. */
void pico_show(uint32_t on);
#endif

#if defined(BOARD_SUPPLY_PIN)
/* Supply voltage (VSYS) in millivolts, to within 2 per cent of the 3.3 V it is compared with. Takes
 * some microseconds. rp2040_open_clocks comes before. */
uint32_t pico_supply_mv(void);
#endif

#endif
