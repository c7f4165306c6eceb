/* The port of every board with an Arduino core; what differs by chip is in hardware_*.cpp. */
#include "core.h"
#include "hardware.h"
#include "tinyops/health.h"

#if !defined(TINYOPS_SERIAL)
#define TINYOPS_SERIAL Serial /* which of the core's lines leads to the host */
#endif

#if !defined(TINYOPS_BAUD)
#define TINYOPS_BAUD 115200 /* a collector has its own */
#endif

#if !defined(TINYOPS_UPSTREAM_BAUD)
#define TINYOPS_UPSTREAM_BAUD 115200
#endif

#if defined(ARDUINO_ARCH_AVR)
/* Cores of other chips have their own names for such memory, if they have any. */
static tinyops_kept kept __attribute__((section(".noinit")));
#endif

static const unsigned long WAIT_MS = 300; /* for a line that takes nothing */

static int has_byte(void) {
#if defined(TINYOPS_UPSTREAM)
  if (TINYOPS_UPSTREAM.available() > 0) {
    return 1;
  }
#endif
  return TINYOPS_SERIAL.available() > 0;
}

static int32_t read_byte(void *context) {
  (void)context;
  return TINYOPS_SERIAL.available() > 0 ? TINYOPS_SERIAL.read() : TINYOPS_PORT_NO_BYTE;
}

/* A line over USB takes nothing when nobody has opened it: what is told then is dropped, after a
 * while the first time, at once until somebody reads again. Lines of a core have types of their
 * own. */
template <class Line>
static void write_all(Line *line, int *unread, const uint8_t *bytes, uint32_t count) {
  unsigned long since = millis();
  while (count > 0) {
    const size_t sent = line->write(bytes, (size_t)(count < 64 ? count : 64));
    if (sent > 0) {
      *unread = 0;
      since = millis();
    } else if (*unread != 0 || millis() - since >= WAIT_MS) {
      *unread = 1;
      return;
    }
    bytes += sent;
    count -= (uint32_t)sent;
  }
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  static int unread;
  (void)context;
  write_all(&TINYOPS_SERIAL, &unread, bytes, count);
}

static void start_ticks(void *context) {
  (void)context;
  tinyops_arduino_clear_cycles();
}

static uint32_t ticks(void *context) {
  (void)context;
  return 0;
}

static uint32_t cycles(void *context) {
  (void)context;
  return tinyops_arduino_cycles();
}

static void idle(void *context) {
  (void)context;
  tinyops_arduino_sleep(has_byte);
}

static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  tinyops_arduino_measure(memory);
}

static uint32_t now_ms(void *context) {
  (void)context;
  return (uint32_t)millis();
}

static void reset(void *context) {
  (void)context;
  TINYOPS_SERIAL.flush(); /* an answer that is still on its way */
  tinyops_arduino_reset();
}

static void feed_watchdog(void *context) {
  (void)context;
  tinyops_arduino_feed_watchdog();
}

#if defined(LED_BUILTIN)
/* The LED is lit for every class but the first, which stands for nothing of interest. */
static void show(void *context, uint32_t best, const int8_t *outputs, uint32_t count) {
  (void)context;
  (void)outputs;
  (void)count;
  digitalWrite(LED_BUILTIN, best != 0 ? HIGH : LOW);
}
#endif

#if defined(TINYOPS_UPSTREAM)
#if defined(ARDUINO_ARCH_RP2040) && !defined(ARDUINO_ARCH_MBED)
static const size_t UPSTREAM_BYTES = 1024;
#endif

/* The core's line to the part before in a chain. */
static int32_t read_upstream(void *context) {
  (void)context;
  return TINYOPS_UPSTREAM.available() > 0 ? TINYOPS_UPSTREAM.read() : TINYOPS_PORT_NO_BYTE;
}

static void write_upstream(void *context, const uint8_t *bytes, uint32_t count) {
  static int unread;
  (void)context;
  write_all(&TINYOPS_UPSTREAM, &unread, bytes, count);
}

static const tinyops_port_stream *open_upstream(void) {
  static const tinyops_port_stream upstream = {read_upstream, write_upstream};
#if defined(ARDUINO_ARCH_RP2040) && !defined(ARDUINO_ARCH_MBED)
  (void)TINYOPS_UPSTREAM.setFIFOSize(UPSTREAM_BYTES); /* its own are 32; others take a macro */
#endif
  TINYOPS_UPSTREAM.begin(TINYOPS_UPSTREAM_BAUD);
  return &upstream;
}
#endif

static uint32_t supply_mv(void *context) {
  (void)context;
  return tinyops_arduino_supply_mv();
}

void tinyops_port_open(tinyops_port *port) {
  TINYOPS_SERIAL.begin(TINYOPS_BAUD);
  *port = tinyops_port();
  port->context = port;
  port->read_byte = read_byte;
  port->write = write_bytes;
  port->start_ticks = start_ticks;
  port->ticks = ticks;
  port->tick_hz = 1; /* time by micros() is no count of instructions */
  port->cycles = cycles;
  port->cycle_bits = tinyops_arduino_open_cycles();
  port->emulated = 0; /* simavr counts the chip's own cycles */
  port->idle = idle;
  port->measure = measure;
  port->now_ms = now_ms;
  port->reset = reset;
  port->reset_cause = tinyops_arduino_read_reset_cause();
  port->feed_watchdog = feed_watchdog;
  port->supply_mv = supply_mv;
#if defined(ARDUINO_ARCH_AVR)
  port->keep = &kept;
  port->keep_bytes = sizeof(kept);
#endif
  port->silicon_bytes = tinyops_arduino_read_silicon(port->silicon);
  port->flash = tinyops_arduino_flash();
  port->update = tinyops_arduino_update();
#if defined(TINYOPS_UPSTREAM)
  port->upstream = open_upstream();
#endif
#if defined(LED_BUILTIN)
  pinMode(LED_BUILTIN, OUTPUT);
  port->show = show;
#endif
  tinyops_arduino_start_watchdog();
}
