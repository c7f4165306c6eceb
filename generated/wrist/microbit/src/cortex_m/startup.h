/* What all Cortex-M ports share: start-up, the painted stack, faults, sleep. */
#ifndef TINYOPS_PORT_STARTUP_H
#define TINYOPS_PORT_STARTUP_H

#include "tinyops/port.h"

/* Reads the linker's symbols and the painted stack. Fits tinyops_port.measure. */
void tinyops_startup_measure(void *context, tinyops_port_memory *memory);

/* Lets interrupt `irq` end a sleep. Interrupts stay masked: none is ever taken. */
void tinyops_startup_wake_by(uint32_t irq);

/* Sleeps until the interrupt given to wake_by is pending, then takes that mark away. */
void tinyops_startup_sleep(uint32_t irq);

#endif
