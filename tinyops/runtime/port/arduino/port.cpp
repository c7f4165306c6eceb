/* The port of every board with an Arduino core; what differs by chip is in hardware_*.cpp. */
#include "core.h"
#include "hardware.h"

static const unsigned long BAUD = 115200;

static int has_byte(void) { return Serial.available() > 0; }

static int32_t read_byte(void *context) {
  (void)context;
  return Serial.available() > 0 ? Serial.read() : TINYOPS_PORT_NO_BYTE;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  while (count > 0) {
    const size_t sent = Serial.write(bytes, (size_t)(count < 64 ? count : 64));
    bytes += sent;
    count -= (uint32_t)sent;
  }
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

void tinyops_port_open(tinyops_port *port) {
  Serial.begin(BAUD);
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
}
