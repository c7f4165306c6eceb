/* What the port of a virtual board asks of its emulator: flash that keeps settings, the chip's
 * number, a sensor. The machines that twins run on have none of them. */
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

/* A sensor that replays a recording, for a port that is its own context; its clock is the port's
 * `now_ms`. Null when the emulator was given none. */
const tinyops_port_sensor *twin_sensor(void);

#endif
