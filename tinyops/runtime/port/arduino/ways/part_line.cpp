#include "part_line.h"

/* What a cable brings meanwhile is nobody's, and not to be taken for something new later. */
static int32_t read_byte(void *context) {
  tinyops_arduino_part_line *self = static_cast<tinyops_arduino_part_line *>(context);
  const int32_t byte = self->air->read_byte(); /* lets the radio work, too */
  if (byte != TINYOPS_PORT_NO_BYTE) {
    return byte;
  }
  const int32_t told = self->cable.read_byte(self->cable.context);
  return tinyops_arduino_is_on_ble() ? TINYOPS_PORT_NO_BYTE : told;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  tinyops_arduino_part_line *self = static_cast<tinyops_arduino_part_line *>(context);
  if (tinyops_arduino_is_on_ble()) {
    self->air->write(bytes, count);
  } else {
    self->cable.write(self->cable.context, bytes, count);
  }
}

/* The board's other functions need no context of their own. */
void tinyops_arduino_open_part_line(tinyops_arduino_part_line *self, tinyops_port *port,
                                    const char *name) {
  self->cable = *port;
  self->air = tinyops_arduino_open_ble(name);
  if (self->air != nullptr) {
    port->context = self;
    port->read_byte = read_byte;
    port->write = write_bytes;
  }
}
