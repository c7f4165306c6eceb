/* What the bootloader needs of a board's port; a file here for each, by the port's name. */
#ifndef TINYOPS_BOOT_BOARD_H
#define TINYOPS_BOOT_BOARD_H

#include "tinyops/port.h"

/* Before anything else: what makes the work ahead quick, and nothing that the firmware does not set
 * up by itself. Why the board was reset stays for the firmware to read. */
void tinyops_boot_open_board(void);

const tinyops_port_flash *tinyops_boot_flash(void);

/* Starts the watchdog, so that a firmware on trial which hangs at once is reset, too. */
void tinyops_boot_watch(void);

/* Feeds the watchdog, which may run since before the reset. Does no harm when it does not. */
void tinyops_boot_feed(void);

/* Nothing can run: waits for a cable. Does not return. */
void tinyops_boot_wait(void) __attribute__((noreturn));

#endif
