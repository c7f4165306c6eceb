/* Several ways as one port. Answers and samples go where the last request came from: a request is
 * answered before anything else is looked for, so that a write which follows a read tells which way
 * that was, and noise on another way changes nothing. */
#include "way.h"

static int32_t read_from(const tinyops_arduino_ways *self, uint32_t number) {
  return number == 0 ? self->serial->read_byte(self->serial->context)
                     : self->ways[number - 1].read_byte();
}

/* The way that spoke last goes on first: what it says is not torn apart by another. */
static int32_t read_byte(void *context) {
  tinyops_arduino_ways *self = static_cast<tinyops_arduino_ways *>(context);
  int32_t byte = read_from(self, self->heard);
  for (uint32_t i = 0; byte == TINYOPS_PORT_NO_BYTE && i <= self->count; ++i) {
    byte = read_from(self, i);
    if (byte != TINYOPS_PORT_NO_BYTE) {
      self->heard = i;
    }
  }
  self->reading = byte != TINYOPS_PORT_NO_BYTE ? 1 : 0;
  return byte;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  tinyops_arduino_ways *self = static_cast<tinyops_arduino_ways *>(context);
  if (self->reading != 0) {
    self->answered = self->heard;
  }
  if (self->answered == 0) {
    self->serial->write(self->serial->context, bytes, count);
  } else {
    self->ways[self->answered - 1].write(bytes, count);
  }
}

/* The board's other functions need no context of their own. */
void tinyops_arduino_open_ways(tinyops_arduino_ways *ways, const tinyops_port *serial) {
  *ways = tinyops_arduino_ways();
  ways->serial = serial;
  ways->port = *serial;
  ways->port.context = ways;
  ways->port.read_byte = read_byte;
  ways->port.write = write_bytes;
}

void tinyops_arduino_add_way(tinyops_arduino_ways *ways, const tinyops_arduino_way *way) {
  if (way != nullptr && ways->count < TINYOPS_ARDUINO_WAYS_MAX) {
    ways->ways[ways->count] = *way;
    ways->count += 1;
  }
}
