/* What all Cortex-M ports share: start-up, faults, cycle counter, sleep. */
#ifndef TINYOPS_PORT_STARTUP_H
#define TINYOPS_PORT_STARTUP_H

#include "ram.h"
#include "tinyops/port.h"

/* Announces a reset by software and makes it. Fits tinyops_port.reset, when the context is the
 * port. Does not return. */
void tinyops_startup_restart(void *context);

/* Starts the core's cycle counter: DWT's where the core has one that counts, else SysTick. Returns
 * its bits, 32 or 24, or 0 where there is neither. */
uint8_t tinyops_startup_open_cycles(void);

/* Sets the counter of `bits` bits to 0. */
void tinyops_startup_clear_cycles(uint8_t bits);

/* Cycles since it was cleared, modulo 2^bits. */
uint32_t tinyops_startup_cycles(uint8_t bits);

/* The same. Fits tinyops_port.cycles, when the context is the port. */
uint32_t tinyops_startup_read_cycles(void *context);

/* Lets interrupt `irq` end a sleep. Interrupts stay masked: none is ever taken. */
void tinyops_startup_wake_by(uint32_t irq);

/* Sleeps until the interrupt given to wake_by is pending, then takes that mark away. */
void tinyops_startup_sleep(uint32_t irq);

/* Takes the mark of another interrupt away that may have ended the sleep. */
void tinyops_startup_forget(uint32_t irq);

#endif
