/* Drives the RP2040 port by single letters on its serial line; every answer is a line.
 *
 *   c  cause of the reset        e  erases the last sector        p  programs its first page with
 * 'counting' bytes P  programs it with zeros    r  sum of the page, read twice   q  programs ones
 * over it (breaks the rules) w  stops feeding a watchdog of 5 ms        x  resets          f
 * crashes l  the LED on                v  supply voltage                X  erases the sector from
 * code in flash */
#include "clocks.h"
#include "flash.h"
#include "pico.h"
#include "tinyops/app.h"
#include "watchdog.h"

#define SECTOR 0x1ff000u
#define FLASH ((const volatile uint8_t *)(0x10000000u + SECTOR))

static void say(const tinyops_port *port, uint32_t number) {
  uint8_t digits[11];
  uint32_t at = sizeof(digits) - 1;
  digits[at] = '\n';
  do {
    digits[--at] = (uint8_t)('0' + number % 10u);
    number /= 10u;
  } while (number > 0);
  port->write(port->context, digits + at, (uint32_t)sizeof(digits) - at);
}

static uint32_t sum(void) {
  uint32_t total = 0;
  for (uint32_t i = 0; i < RP2040_FLASH_PROGRAM_BYTES; i++) {
    total += FLASH[i] * (i + 1u);
  }
  return total;
}

static uint32_t program(uint8_t step, uint8_t first) {
  uint8_t page[RP2040_FLASH_PROGRAM_BYTES];
  for (uint32_t i = 0; i < sizeof(page); i++) {
    page[i] = (uint8_t)(first + step * i);
  }
  return rp2040_flash_program(SECTOR, page, sizeof(page)) == 0;
}

/* As a port that forgot where it runs. */
static void erase_from_flash(void) {
  const uint32_t lookup = *(const volatile uint16_t *)(uintptr_t)(0x18u + (uint32_t)(sum() & 0u));
  const uintptr_t erase = ((uintptr_t(*)(uint32_t, uint32_t))(uintptr_t)lookup)(0x100u, 0x4552u);
  ((void (*)(uint32_t, uint32_t, uint32_t, uint32_t))erase)(SECTOR, 4096u, 65536u, 0xd8u);
}

static void starve(void) {
  rp2040_watchdog_start(5);
  for (uint32_t i = 0; i < 100000u; i++) {
    rp2040_watchdog_feed(5); /* as long as it is fed, nothing happens */
  }
  for (;;) {
  }
}

static uint32_t obey(int32_t letter) {
  switch (letter) {
    case 'c':
      return rp2040_find_reset_cause();
    case 'e':
      return rp2040_flash_erase(SECTOR, RP2040_FLASH_ERASE_BYTES) == 0;
    case 'p':
      return program(1, 0);
    case 'P':
      return program(0, 0);
    case 'q':
      return program(0, 0xff);
    case 'l':
      pico_show(1);
      return 1;
    case 'v':
      return pico_supply_mv();
    case 'w':
      starve();
      return 0;
    case 'x':
      rp2040_reset();
    case 'f':
      __builtin_trap();
    case 'X':
      erase_from_flash();
      return 0;
    default:
      return sum();
  }
}

int main(void) {
  tinyops_port port;
  tinyops_port_open(&port);
  say(&port, rp2040_find_reset_cause());
  for (;;) {
    const int32_t letter = port.read_byte(port.context);
    if (letter == TINYOPS_PORT_NO_BYTE) {
      port.idle(port.context);
      continue;
    }
    say(&port, obey(letter));
    if (letter == 'r') {
      say(&port, sum());
    }
  }
}
