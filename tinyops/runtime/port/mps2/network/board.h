/* The network of QEMU's mps2-an386: its controller, the emulator's randomness and name server. */
#ifndef TINYOPS_PORT_MPS2_NETWORK_BOARD_H
#define TINYOPS_PORT_MPS2_NETWORK_BOARD_H

#include "network.h"

/* Reads where names are resolved from the emulator's command line: `dns=PORT` at the host. */
void mps2_network_board(tinyops_network_board *board);

#endif
