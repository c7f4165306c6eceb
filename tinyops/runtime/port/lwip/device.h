/* An application that updates its model by itself, over lwIP: the cycle of fetch/cycle.h beside
 * app.h, with everything that it needs kept in the device's settings. */
#ifndef TINYOPS_PORT_LWIP_DEVICE_H
#define TINYOPS_PORT_LWIP_DEVICE_H

#include "network.h"
#include "tinyops/app.h"
#include "tinyops/fetch/cycle.h"
#include "tinyops/settings.h"

enum {
  TINYOPS_DEVICE_ENDPOINT_MAX = 200,
  TINYOPS_DEVICE_NAME_MAX = 63,
  TINYOPS_DEVICE_ROOTS_MAX = 6144,
  TINYOPS_DEVICE_PIECE_BYTES = 1024,
  TINYOPS_DEVICE_MEMORY_UNIT = 64
};

/* What the owner fills in. Everything pointed to outlives the device. */
typedef struct {
  tinyops_app *app;
  const tinyops_port *port;
  tinyops_app_updates *updates; /* attached: their slots are written */
  const tinyops_boot_table *table;
  tinyops_settings *settings; /* opened: endpoint, fleet, keys, roots, and when it was written */
  const tinyops_network_board *board;
  const char *name;  /* the board's in the catalogue */
  const char *fleet; /* where the settings name none */
  const uint8_t *contract;
  uint64_t built_s;       /* when the firmware was built, seconds after 1970 */
  uint32_t memory_origin; /* flash for what must not fall: two copies of whole sectors */
  uint32_t memory_bytes;
  uint8_t *heap; /* for TLS, 8-aligned */
  uint32_t heap_bytes;
  uint32_t interval_ms, retry_ms;
  uint32_t trial_ms; /* that a new model has to run, its self-test passed, before it is confirmed */
} tinyops_device_config;

/* State; the caller provides the memory and leaves it alone. */
typedef struct {
  const tinyops_device_config *config;
  tinyops_network_config network;
  tinyops_stream stream;
  tinyops_clock clock;
  tinyops_settings memory;
  tinyops_fetch_config cycle;
  tinyops_fetch fetch;
  uint8_t is_up, is_told; /* the network is on; the settings say where releases are */
  uint32_t sequence;      /* of the settings that were read */
  uint32_t trial_since_ms;
  uint8_t is_on_trial;
  uint32_t roots_bytes;
  char endpoint[TINYOPS_DEVICE_ENDPOINT_MAX + 1];
  char fleet[TINYOPS_DEVICE_NAME_MAX + 1];
  char name[TINYOPS_DEVICE_NAME_MAX + 1]; /* its own */
  uint8_t unit[TINYOPS_DEVICE_MEMORY_UNIT];
  uint8_t piece[TINYOPS_DEVICE_PIECE_BYTES];
  uint8_t entry[TINYOPS_ENTRY_MAX];
  uint8_t roots[TINYOPS_DEVICE_ROOTS_MAX];
} tinyops_device;

/* Turns the network on and prepares the cycle. Without a network, or settings that say where
 * releases are, the device goes on without. */
void tinyops_device_open(tinyops_device *device, const tinyops_device_config *config);

/* One step of the network and of the cycle; reads the settings anew when others were written.
 * Returns 1 when there was something to do. */
int32_t tinyops_device_poll(tinyops_device *device);

#endif
