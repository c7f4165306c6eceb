/* What the application needs from a board: a byte stream to its host, a stopwatch, sleep, its
 * memory.
 *
 * A port fills the struct; the application calls through it and owns no hardware. Every callback
 * gets `context` first and returns at once unless it says otherwise. */
#ifndef TINYOPS_PORT_H
#define TINYOPS_PORT_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_PORT_NO_BYTE (-1)

/* RAM as the linker and the painted stack tell it, in bytes. */
typedef struct {
  uint32_t stack_used; /* deepest use since start-up */
  uint32_t stack_bytes;
  uint32_t static_bytes; /* data, bss and arena */
} tinyops_port_memory;

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
} tinyops_port;

/* Every port has this: sets the hardware up and fills in `port`. May be called again after a fault.
 */
void tinyops_port_open(tinyops_port *port);

#ifdef __cplusplus
}
#endif

#endif
