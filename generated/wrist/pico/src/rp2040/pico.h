/* What is on a Raspberry Pi Pico besides the chip: an LED, and a third of the supply voltage. */
#ifndef TINYOPS_PORT_RP2040_PICO_H
#define TINYOPS_PORT_RP2040_PICO_H

#include <stdint.h>

/* Switches the LED on GP25. rp2040_open_clocks comes before. */
void pico_show(uint32_t on);

/* Supply voltage (VSYS) in millivolts, to within 2 per cent of the 3.3 V it is compared with. Takes
 * some microseconds. rp2040_open_clocks comes before. */
uint32_t pico_supply_mv(void);

#endif
