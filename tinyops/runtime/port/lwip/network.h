/* One client connection with TLS over lwIP: what a device with a network gives to fetch/stream.h.
 *
 *   tinyops_network_open, then tinyops_network_poll as often as the main loop turns.
 *
 * lwIP's raw interface without a system: its memory, and that of mbedTLS, are pools of fixed size
 * (lwipopts.h, the caller's heap). There is one network, so its state is one static struct. */
#ifndef TINYOPS_PORT_LWIP_NETWORK_H
#define TINYOPS_PORT_LWIP_NETWORK_H

#include <stdint.h>

#include "tinyops/fetch/clock.h"
#include "tinyops/fetch/stream.h"

/* A network controller and randomness; each board's own. */
typedef struct {
  /* Turns it on and copies its six-byte address. Returns 0 or negative. */
  int32_t (*open)(uint8_t *address);
  /* Sends a frame at a 4-aligned address. Returns 0 or negative. */
  int32_t (*send)(const uint32_t *frame, uint32_t count);
  /* Bytes of a frame that has come, 0: none; `take` copies it, `drop` drops it. */
  uint32_t (*arrived)(void);
  void (*take)(uint32_t *frame, uint32_t count);
  void (*drop)(uint32_t count);
  /* Fills bytes with noise from hardware. Returns 0 or negative. */
  int32_t (*random)(uint8_t *bytes, uint32_t count);
  uint32_t (*now_ms)(void);
  /* Address (a, b, c, d from the low byte on) and port of a name server that the network does not
   * announce; address 0: it does. */
  uint32_t name_server;
  uint16_t name_port;
} tinyops_network_board;

/* Everything pointed to outlives the network. */
typedef struct {
  const tinyops_network_board *board;
  const uint8_t *roots; /* certificates, DER, one after another; read in place */
  uint32_t roots_bytes;
  tinyops_clock *clock;
  uint8_t *heap; /* for TLS, 8-aligned; see docs/update.md for how much */
  uint32_t heap_bytes;
} tinyops_network_config;

/* Turns the network on and fills in `stream`. Returns 0 or a tinyops_stream_status; opening may be
 * tried again. */
int32_t tinyops_network_open(const tinyops_network_config *config, tinyops_stream *stream);

/* Other roots from the next connection on. */
void tinyops_network_set_roots(const uint8_t *roots, uint32_t bytes);

/* Takes the frames that have come and lets time pass. Returns 1 when there was a frame, or a
 * handshake can go on. */
int32_t tinyops_network_poll(void);

/* Whether the network has given this device an address. */
int32_t tinyops_network_has_address(void);

/* Most bytes of the heap that were in use; it is filled with a pattern at the start. */
uint32_t tinyops_network_heap_used(void);

#endif
