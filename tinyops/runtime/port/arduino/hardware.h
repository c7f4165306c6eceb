/* What Arduino's API leaves to each chip: one file implements it for all of them. */
#ifndef TINYOPS_ARDUINO_HARDWARE_H
#define TINYOPS_ARDUINO_HARDWARE_H

#include <stdint.h>

#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Reads and clears what the chip remembers; call it once, at start-up. */
tinyops_reset_cause tinyops_arduino_read_reset_cause(void);

/* Copies the chip's own number to `number`, which has room for TINYOPS_PORT_SILICON_WORDS words.
 * Returns its bytes; 0: it has none. */
uint32_t tinyops_arduino_read_silicon(uint32_t *number);

/* What the application may write, in the flash that the catalogue keeps a board's settings in, by
 * its addresses there; null where the core has no way to it. Returns when the hardware is done. */
const tinyops_port_flash *tinyops_arduino_flash(void);

/* The maker's bootloader, where it starts one of two firmwares, the second on trial; else null. */
const tinyops_port_update *tinyops_arduino_update(void);

/* Starts the board again; does not return. */
void tinyops_arduino_reset(void);

/* Starts the watchdog: without tinyops_arduino_feed_watchdog for about 8 seconds, or the most that
 * the chip can wait, the board starts again. */
void tinyops_arduino_start_watchdog(void);
void tinyops_arduino_feed_watchdog(void);

/* Millivolts of supply, or 0 where the chip cannot measure its own. */
uint16_t tinyops_arduino_supply_mv(void);

/* Sleeps until an interrupt, at most about a millisecond; returns at once when `ready` says that
 * there is something to do, which is asked with interrupts off where sleep could miss it. */
void tinyops_arduino_sleep(int (*ready)(void));

/* Fills in what is known of stack and RAM; 0 is unknown. */
void tinyops_arduino_measure(tinyops_port_memory *memory);

/* Core cycles: bits of the counter, 0 without one; sets it to 0; reads it. */
uint8_t tinyops_arduino_open_cycles(void);
void tinyops_arduino_clear_cycles(void);
uint32_t tinyops_arduino_cycles(void);

/* Writes the SHA-256 of the firmware as it lies in flash; the only chip whose linker tells where
 * that ends is an ATmega. Takes seconds. */
void tinyops_arduino_digest_flash(uint8_t *digest);

#ifdef __cplusplus
}
#endif

#endif
