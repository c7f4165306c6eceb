/* Drives the micro:bit port's flash by single letters on its serial line; every answer is a line.
 *
 *   e  erases the page at PLACE        p  programs 8 words of it        n  programs the next 8
 *   r  its sum, as memory              k  whether RAM was kept; it is from now on
 *   w  writes flash with the controller closed
 *   v  writes, V  reads the register of the vector table that an M0 lacks        a  erases all */
#include "tinyops/port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define NVMC_CONFIG REGISTER(0x4001e504u)
#define NVMC_ERASE_ALL REGISTER(0x4001e50cu)
#define VTOR REGISTER(0xe000ed08u)

enum { PLACE = 0x3f000, WORDS = 8, KEPT = 0x5eed };

int main(void);

static void say(const tinyops_port *port, uint32_t number) {
  static const char digits[] = "0123456789abcdef";
  for (uint32_t shift = 32; shift > 0; shift -= 4) {
    port->write(port->context, (const uint8_t *)&digits[number >> (shift - 4) & 15u], 1);
  }
  port->write(port->context, (const uint8_t *)"\n", 1);
}

static uint32_t sum(void) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < 256; i++) {
    total += REGISTER(PLACE + 4 * i) * (i + 1);
  }
  return total;
}

static uint32_t program(const tinyops_port *port, uint32_t address) {
  uint8_t bytes[4 * WORDS];
  for (uint32_t i = 0; i < sizeof(bytes); i++) {
    bytes[i] = (uint8_t)i;
  }
  return (uint32_t)port->flash->program(port->context, address, bytes, sizeof(bytes));
}

/* RAM that start-up leaves alone: just below the stack's top would be used, this is not. */
static uint32_t was_kept(void) {
  volatile uint32_t *place = (volatile uint32_t *)0x20003ff0u;
  uint32_t kept = *place == KEPT;
  *place = KEPT;
  return kept;
}

static uint32_t obey(const tinyops_port *port, int32_t letter) {
  switch (letter) {
    case 'e':
      return (uint32_t)port->flash->erase(port->context, PLACE, port->flash->erase_bytes);
    case 'p':
      return program(port, PLACE);
    case 'n':
      return program(port, PLACE + 4 * WORDS);
    case 'r':
      return sum();
    case 'k':
      return was_kept();
    case 'w':
      REGISTER(PLACE) = 0;
      return 0;
    case 'v':
      VTOR = 0;
      return 0;
    case 'V':
      return VTOR;
    case 'a':
      NVMC_CONFIG = 2;
      NVMC_ERASE_ALL = 1;
      return 0;
    default:
      return port->flash->erase_bytes;
  }
}

int main(void) {
  tinyops_port port;
  tinyops_port_open(&port);
  for (;;) {
    int32_t letter = port.read_byte(port.context);
    if (letter == TINYOPS_PORT_NO_BYTE) {
      port.idle(port.context);
    } else {
      say(&port, obey(&port, letter));
    }
  }
}
