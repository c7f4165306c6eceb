/* The second serial line of an nRF52, to the part before in a chain. */
#ifndef TINYOPS_PORT_NRF5_UPSTREAM_H
#define TINYOPS_PORT_NRF5_UPSTREAM_H

#include "tinyops/port.h"

/* Opens it; null where the chip or the board has none. */
const tinyops_port_stream *nrf5_open_upstream(void);

#endif
