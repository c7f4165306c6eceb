/* What the port of a virtual board asks of its emulator: flash that keeps settings, and the chip's
 * number. The machines that twins run on have neither. */
#ifndef TINYOPS_PORT_TWIN_CALL_H
#define TINYOPS_PORT_TWIN_CALL_H

#include <stdint.h>

#include "tinyops/port.h"

/* The board's flash where its settings lie, at the board's addresses, with the rules of its
 * catalogue entry; null when the board keeps none, or the emulator has none. */
const tinyops_port_flash *twin_flash(void);

/* Copies the number of the board's chip to `number`, which has room for two words. Returns its
 * bytes; 0: the emulator was given none. */
uint32_t twin_read_number(uint32_t *number);

#endif
