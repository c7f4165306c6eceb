/* RP2040: at full speed, as a signature takes seconds at the speed of a reset; and the boot ROM's
 * own loader over USB where nothing can run. Facts: RP2040 datasheet 2.8.3.1.2. */
#include "board.h"
#include "clocks.h"
#include "flash.h"
#include "start.h"
#include "watchdog.h"

void tinyops_boot_open_board(void) { rp2040_open_clocks(); }

const tinyops_port_flash *tinyops_boot_flash(void) { return rp2040_flash(); }

void tinyops_boot_watch(void) { rp2040_watchdog_start(RP2040_WATCHDOG_MS); }

void tinyops_boot_feed(void) { rp2040_watchdog_feed(RP2040_WATCHDOG_MS); }

void tinyops_boot_wait(void) {
  rp2040_usb_loader();
  tinyops_boot_sleep();
}
