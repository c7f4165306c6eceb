/* What the application needs from a board: a byte stream to its host, a clock, a stopwatch, sleep,
 * its memory; and, where the board has them, flash, a sensor, a network, something to show a result
 * with, RAM that outlives a reset.
 *
 * A port fills the struct; the application calls through it and owns no hardware. Every callback
 * gets `context` first and returns at once unless it says otherwise. A pointer that may be null
 * says so: the board has no such thing. */
#ifndef TINYOPS_PORT_H
#define TINYOPS_PORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_PORT_NO_BYTE (-1)
#define TINYOPS_PORT_SILICON_WORDS 4 /* bytes: TINYOPS_SMP_SILICON_MAX */

/* RAM as the linker and the painted stack tell it, in bytes. */
typedef struct {
  uint32_t stack_used; /* deepest use since start-up */
  uint32_t stack_bytes;
  uint32_t static_bytes; /* data, bss and arena */
} tinyops_port_memory;

/* Why the board started, as far as it can tell; a bootloader may have hidden it. */
typedef enum {
  TINYOPS_RESET_UNKNOWN = 0,
  TINYOPS_RESET_POWER = 1,
  TINYOPS_RESET_PIN = 2,
  TINYOPS_RESET_WATCHDOG = 3,
  TINYOPS_RESET_SOFTWARE = 4,
  TINYOPS_RESET_FAULT = 5,
  TINYOPS_RESET_BROWNOUT = 6
} tinyops_reset_cause;

/* Flash that the application may write. Offsets are addresses as the core sees them. Calls return 0
 * or a negative number, when the range is not the application's to write or the hardware says no;
 * they return when the hardware is done. */
typedef struct {
  uint32_t erase_bytes;   /* a sector; erase takes whole ones */
  uint32_t program_bytes; /* the smallest unit; program takes whole ones, erased before */
  int32_t (*erase)(void *context, uint32_t address, uint32_t bytes);
  int32_t (*program)(void *context, uint32_t address, const uint8_t *bytes, uint32_t count);
  int32_t (*read)(void *context, uint32_t address, uint8_t *bytes, uint32_t count);
} tinyops_port_flash;

/* A sensor on the board that samples by itself. */
typedef struct {
  /* Begins to sample at `rate_millihz`. Returns 0, or a negative number when it cannot. */
  int32_t (*start)(void *context, uint32_t rate_millihz);
  /* Copies the oldest frame that nobody has taken, in the units of the contract, to `values`, which
   * has room for one. Returns 1, 0 when there is none, or a negative number when the sensor has
   * failed. */
  int32_t (*poll)(void *context, int16_t *values, uint32_t count);
  /* Frames that were lost since start because nobody took them, before the one that poll gave last.
   */
  uint32_t (*missed)(void *context);
} tinyops_port_sensor;

/* A maker's bootloader that starts one of two firmwares, the second on trial. Numbers of firmwares
 * are those of the catalogue's slots. */
typedef struct {
  /* The firmware that runs. */
  uint32_t (*running)(void *context);
  /* 1: what runs is on trial: after a reset of any kind the other one runs, unless confirmed. */
  int32_t (*is_on_trial)(void *context);
  /* Lets every reset from now on start that firmware, a new one on trial. Returns 0, or a negative
   * number when none lies there that could start, or the bootloader knows no trials. */
  int32_t (*select)(void *context, uint32_t firmware);
  /* Takes that back: every reset from now on starts what runs. Returns 0 or a negative number.
   * Power that fails meanwhile leaves the one or the other. */
  int32_t (*cancel)(void *context, uint32_t firmware);
  /* What runs on trial stays. Returns 0 or a negative number. */
  int32_t (*confirm)(void *context);
  /* What runs on trial has failed: starts the other one, by a reset. Returns only when it cannot.
   */
  void (*revert)(void *context);
} tinyops_port_update;

/* Whoever is told of results beside the host on the serial line: a radio, a network. `send` gets
 * each RESULT report of the link (type, sequence, payload) without its framing and returns at once.
 */
typedef struct {
  int32_t (*send)(void *context, const uint8_t *bytes, uint32_t count); /* 0 or negative */
  int32_t (*receive)(void *context, uint8_t *bytes, uint32_t room);     /* bytes, 0: none */
} tinyops_port_network;

/* A second stream of bytes, to the part before in a chain. As read_byte and write of the line. */
typedef struct {
  int32_t (*read_byte)(void *context);
  void (*write)(void *context, const uint8_t *bytes, uint32_t count);
} tinyops_port_stream;

typedef struct {
  void *context;
  /* One received byte, 0 to 255, or TINYOPS_PORT_NO_BYTE. */
  int32_t (*read_byte)(void *context);
  /* Sends `count` bytes; returns when the last one is on its way. */
  void (*write)(void *context, const uint8_t *bytes, uint32_t count);
  /* Sets the stopwatch to 0 and starts it. */
  void (*start_ticks)(void *context);
  /* Ticks since start_ticks. */
  uint32_t (*ticks)(void *context);
  /* Ticks a second; 0: ticks are instructions; 1: the port cannot count, ticks are 0. */
  uint32_t tick_hz;
  /* Core cycles since start_ticks, modulo 2^cycle_bits. Not called where cycle_bits is 0. */
  uint32_t (*cycles)(void *context);
  uint8_t cycle_bits;
  uint8_t emulated; /* 1: no hardware; what counts cycles here counts something else */
  /* Sleeps until a byte may have come; may return early. */
  void (*idle)(void *context);
  /* Fills in `memory`. */
  void (*measure)(void *context, tinyops_port_memory *memory);
  /* Milliseconds since start-up, modulo 2^32. May be null: the application keeps no time. */
  uint32_t (*now_ms)(void *context);
  /* Starts the board again; does not return. May be null. */
  void (*reset)(void *context);
  tinyops_reset_cause reset_cause;
  /* Tells the watchdog, which the port has started, that the program lives. May be null. */
  void (*feed_watchdog)(void *context);
  const tinyops_port_flash *flash;   /* may be null */
  const tinyops_port_update *update; /* may be null: no bootloader, or one of ours, or no trials */
  const tinyops_port_sensor *sensor; /* may be null: frames come over the line */
  const tinyops_port_network *network; /* may be null */
  const tinyops_port_stream *upstream; /* may be null: only parts of chains use it */
  /* Acts on a result: lights an LED, notifies a phone. `best` is the index of the largest of
   * `count` outputs. May be null. */
  void (*show)(void *context, uint32_t best, const int8_t *outputs, uint32_t count);
  /* Millivolts of supply. May be null. */
  uint32_t (*supply_mv)(void *context);
  /* RAM that start-up leaves alone and a reset keeps, 4-aligned; holds noise after power-on. May be
   * null. */
  void *keep;
  uint32_t keep_bytes;
  /* The chip's own number, the same for ever and no other chip's: as many of these bytes, in order
   * of address. 0: it has none. */
  uint32_t silicon_bytes;
  uint32_t silicon[TINYOPS_PORT_SILICON_WORDS];
} tinyops_port;

/* Every port has this: sets the hardware up and fills in `port`, all of it: what the board lacks is
 * null or 0. May be called again after a fault. */
void tinyops_port_open(tinyops_port *port);

#ifdef __cplusplus
}
#endif

#endif
