/* The RP2040's clocks: 125 MHz for core and peripherals, 48 MHz for the ADC, microseconds. */
#ifndef TINYOPS_PORT_RP2040_CLOCKS_H
#define TINYOPS_PORT_RP2040_CLOCKS_H

#include <stdint.h>

enum { RP2040_CORE_HZ = 125000000, RP2040_TIMER_HZ = 1000000 };

/* Takes the peripherals that the port uses out of reset and starts crystal, PLLs and timer. May be
 * called again. */
void rp2040_open_clocks(void);

/* Takes the second UART out of its reset. */
void rp2040_open_uart1(void);

#endif
