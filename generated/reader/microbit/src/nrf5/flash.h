/* Erasing and programming the flash of an nRF5 through its controller. */
#ifndef TINYOPS_PORT_NRF5_FLASH_H
#define TINYOPS_PORT_NRF5_FLASH_H

#include "tinyops/port.h"

/* What the application may write, all of the chip's flash but nothing outside of it: who writes
 * over the running program stops it. The core stands still meanwhile, 21 ms or more for a sector.
 */
const tinyops_port_flash *nrf5_flash(void);

#endif
