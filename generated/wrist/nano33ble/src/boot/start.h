/* A Cortex-M from its reset to the bootloader's main, and from there to a firmware. */
#ifndef TINYOPS_BOOT_START_H
#define TINYOPS_BOOT_START_H

#include <stdint.h>

/* Starts the program whose vector table lies there, as a reset would. Does not return. */
void tinyops_boot_start(uint32_t vectors) __attribute__((noreturn));

/* Sleeps for good, interrupts masked: only a reset ends it. */
void tinyops_boot_sleep(void) __attribute__((noreturn));

#endif
