/* Drives the micro:bit port's flash by single letters on its serial line; every answer is a line.
 *
 *   e  erases the page at PLACE        p  programs 8 words of it        n  programs the next 8
 *   r  its sum, as memory              k  whether RAM was kept; it is from now on
 *   c  why it started                  h  hangs                     x  starts itself again
 *   y  starts itself again, to hang without a watchdog of its own
 *   s  sleeps for 2 s without a kick   z  sleeps for 2 s, kicked every 0.4 s
 *   w  writes flash with the controller closed
 *   v  writes, V  reads the register of the vector table that an M0 lacks        a  erases all */
#include "tinyops/port.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define NVMC_CONFIG REGISTER(0x4001e504u)
#define NVMC_ERASE_ALL REGISTER(0x4001e50cu)
#define VTOR REGISTER(0xe000ed08u)
#define WATCHDOG_START REGISTER(0x40010000u)
#define WATCHDOG_RELOAD REGISTER(0x40010504u)

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

/* RAM that start-up leaves alone: behind the data of this program, before what a port keeps. */
static uint32_t was_kept(void) {
  volatile uint32_t *place = (volatile uint32_t *)0x20003000u;
  uint32_t kept = *place == KEPT;
  *place = KEPT;
  return kept;
}

static void sleep_ms(const tinyops_port *port, uint32_t ms) {
  const uint32_t from = port->now_ms(port->context);
  while (port->now_ms(port->context) - from < ms) {
    port->idle(port->context);
  }
}

static uint32_t sleep_kicking(const tinyops_port *port) {
  for (uint32_t i = 0; i < 5; i++) {
    sleep_ms(port, 400);
    port->feed_watchdog(port->context);
  }
  return 0;
}

static uint32_t hang(void) {
  for (volatile uint32_t here = 1; here != 0;) {
  }
  return 0;
}

/* Whether the life before asked for one that hangs; another word that start-up leaves alone. */
static uint32_t take_wish(uint32_t next) {
  volatile uint32_t *place = (volatile uint32_t *)0x20003004u;
  const uint32_t wished = *place == KEPT;
  *place = next;
  return wished;
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
    case 'c':
      return port->reset_cause;
    case 'h':
      return hang();
    case 'x':
      port->reset(port->context);
      return 0;
    case 'y':
      (void)take_wish(KEPT);
      port->reset(port->context);
      return 0;
    case 's':
      sleep_ms(port, 2000);
      return 0;
    case 'z':
      return sleep_kicking(port);
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
  if (take_wish(0)) {
    (void)hang();
  }
  WATCHDOG_RELOAD = 32767; /* a second: the port's 30 come too late */
  WATCHDOG_START = 1;
  tinyops_port_open(&port);
  for (;;) {
    port.feed_watchdog(port.context);
    int32_t letter = port.read_byte(port.context);
    if (letter == TINYOPS_PORT_NO_BYTE) {
      port.idle(port.context);
    } else {
      say(&port, obey(&port, letter));
    }
  }
}
