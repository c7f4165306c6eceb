/* The twin's machine. */
#include "board.h"
#include "call.h"
#include "start.h"
#include "watchdog.h"

void tinyops_boot_open_board(void) {}

const tinyops_port_flash *tinyops_boot_flash(void) { return twin_flash(); }

void tinyops_boot_watch(void) { mps2_watchdog_start(); }

void tinyops_boot_feed(void) { mps2_watchdog_feed(); }

void tinyops_boot_wait(void) { tinyops_boot_sleep(); }
