/* Ways to a collector beside its serial line: files of this folder implement them over a radio, and
 * a collector has those that its board can. The bytes are the same on each: frames of the link. */
#ifndef TINYOPS_ARDUINO_WAY_H
#define TINYOPS_ARDUINO_WAY_H

#include <stdint.h>

#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_ARDUINO_WAYS_MAX = 3,     /* beside the serial line */
  TINYOPS_ARDUINO_SSID_MAX = 32,    /* bytes */
  TINYOPS_ARDUINO_PASSWORD_MAX = 64 /* bytes */
};

/* One of them. */
typedef struct {
  /* Lets the radio work. Returns one received byte, or TINYOPS_PORT_NO_BYTE. */
  int32_t (*read_byte)(void);
  /* Sends whole frames; returns when the last byte is on its way, or nobody listens any more. */
  void (*write)(const uint8_t *bytes, uint32_t count);
} tinyops_arduino_way;

/* All of them, as one port. Filled in by tinyops_arduino_open_ways. */
typedef struct {
  tinyops_port port; /* the collector's: the board's own, but for where bytes come from and go to */
  const tinyops_port *serial;
  tinyops_arduino_way ways[TINYOPS_ARDUINO_WAYS_MAX];
  uint32_t count;
  uint32_t heard, answered; /* 0: the serial line, else one more than a way's index */
  uint8_t reading;          /* nothing has been looked for in vain since the last byte */
} tinyops_arduino_ways;

/* The network to join, and where to listen on it. */
typedef struct {
  char ssid[TINYOPS_ARDUINO_SSID_MAX + 1];
  char password[TINYOPS_ARDUINO_PASSWORD_MAX + 1];
  uint16_t port; /* of TCP and of UDP */
} tinyops_arduino_network;

/* The serial line alone, until more are added. Both must outlive the collector. */
void tinyops_arduino_open_ways(tinyops_arduino_ways *ways, const tinyops_port *serial);

/* Adds a way that is not null, if there is room for it. */
void tinyops_arduino_add_way(tinyops_arduino_ways *ways, const tinyops_arduino_way *way);

/* Bluetooth: a serial service that whoever is connected writes to and is notified by, advertised
 * under a name, of which 29 bytes are told. Call it once. Returns null without a radio. Where
 * nobody is connected and has subscribed, nothing comes and what is written is dropped; who is gone
 * may come back. */
const tinyops_arduino_way *tinyops_arduino_open_ble(const char *name);
/* Whether somebody is. */
bool tinyops_arduino_is_on_ble(void);

/* Wi-Fi: joins the network, which must outlive the collector, and listens for TCP and UDP. Nothing
 * is added without a network's name. */
void tinyops_arduino_add_wifi(tinyops_arduino_ways *ways, const tinyops_arduino_network *network);

#ifdef __cplusplus
}
#endif

#endif
