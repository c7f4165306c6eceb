/* The watchdog of an nRF5, which QEMU's machines do not have: its registers are watched.
 *
 * Time is the board's: an instruction takes one cycle of its clock, sleep as long as it takes. As
 * on the chip its settings cannot be changed while it runs, and only power, the pin and the
 * watchdog itself stop it: it goes on through a reset by software.
 *
 * Facts: nRF51 Series Reference Manual, 11.1.6 (reset behaviour) and 23 (WDT). */
#ifndef TINYOPS_TWIN_QEMU_WATCHDOG_H
#define TINYOPS_TWIN_QEMU_WATCHDOG_H

#include <stdint.h>

#include "qemu_exports.h"

enum { WATCHDOG_BYTES = 0x1000 };

typedef struct {
  uint32_t clock_hz; /* of the board's core */
  void (*bite)(void);
  uint32_t reload, feeders, settings; /* registers */
  uint32_t fed;                       /* feeders since all were */
  int runs;
  int64_t fed_ns, fed_instructions; /* when all were fed last */
  timer alarm;
} watchdog;

/* Once there are clocks. `bite` is called when nobody has fed it in time. */
void watchdog_open(watchdog *dog, uint32_t clock_hz, void (*bite)(void));

/* The core wrote a register, `offset` bytes from the first. */
void watchdog_write(watchdog *dog, uint32_t offset, uint32_t value);

/* Stops it; its registers are as after power-on. */
void watchdog_stop(watchdog *dog);

#endif
