/* RAM of a program without an operating system, as the linker script divides it. */
#ifndef TINYOPS_PORT_RAM_H
#define TINYOPS_PORT_RAM_H

#include "tinyops/port.h"

/* By the linker script; only their addresses mean something. */
extern uint32_t tinyops_stack_low[], tinyops_stack_top[];
extern const uint8_t tinyops_flash_start[], tinyops_flash_end[];

/* Paints the stack below its caller, copies .data, clears .bss: for start-up, before main. */
void tinyops_ram_fill(void);

/* Reads the linker's symbols and the painted stack. Fits tinyops_port.measure. */
void tinyops_ram_measure(void *context, tinyops_port_memory *memory);

/* RAM that start-up leaves alone and a reset keeps: for tinyops_port.keep. */
void *tinyops_ram_keep(void);
uint32_t tinyops_ram_keep_bytes(void);

#endif
