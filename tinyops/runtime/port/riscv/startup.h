/* What all RISC-V ports share: start-up, traps, counters, sleep. */
#ifndef TINYOPS_PORT_STARTUP_H
#define TINYOPS_PORT_STARTUP_H

#include "ram.h"
#include "tinyops/port.h"

/* Each port has this: starts the board again, and does not return. RAM keeps its content. */
void tinyops_startup_restart(void) __attribute__((noreturn));

/* Sets the low words of the core's counters to 0. */
void tinyops_startup_clear_counters(void);

/* These words: instructions that the core has completed, and its cycles. */
uint32_t tinyops_startup_instructions(void);
uint32_t tinyops_startup_cycles(void);

/* Lets external interrupts and the core's timer end a sleep. Interrupts stay masked: none is ever
 * taken. */
void tinyops_startup_wake(void);

/* Sleeps until an interrupt is pending; whose it is, the port asks its controller. */
void tinyops_startup_sleep(void);

#endif
