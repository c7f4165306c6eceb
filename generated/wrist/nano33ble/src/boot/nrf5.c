/* nRF51 and nRF52. The watchdog goes on through a reset by software: feeding keeps long work from
 * being cut short. */
#include "board.h"
#include "chip.h"
#include "flash.h"
#include "start.h"

void tinyops_boot_open_board(void) {}

const tinyops_port_flash *tinyops_boot_flash(void) { return nrf5_flash(); }

void tinyops_boot_watch(void) { nrf5_watchdog_start(); }

void tinyops_boot_feed(void) { nrf5_watchdog_feed(); }

void tinyops_boot_wait(void) { tinyops_boot_sleep(); }
