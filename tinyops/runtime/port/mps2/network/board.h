/* The network of QEMU's mps2-an386: its controller, the emulator's randomness and name server. */
#ifndef TINYOPS_PORT_MPS2_NETWORK_BOARD_H
#define TINYOPS_PORT_MPS2_NETWORK_BOARD_H

#include "network.h"
#include "tinyops/port.h"

/* Reads where names are resolved from the emulator's command line: `dns=PORT` at the host. */
void mps2_network_board(tinyops_network_board *board);

/* Sleeps as the port does, or until a frame comes. */
void mps2_network_sleep(const tinyops_port *port);

#endif
