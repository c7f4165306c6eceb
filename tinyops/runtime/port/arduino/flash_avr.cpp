/* ATmega: settings lie in EEPROM, byte by byte; the program goes on meanwhile. The catalogue counts
 * EEPROM from where AVR's linker does. */
#if defined(ARDUINO_ARCH_AVR)

#include <avr/eeprom.h>

#include "core.h"
#include "hardware.h"

static const uint32_t ORIGIN = 0x810000;
static const uint8_t ERASED = 0xff;

static int32_t is_outside(uint32_t address, uint32_t bytes) {
  const uint32_t end = ORIGIN + E2END + 1u;
  return address < ORIGIN || address > end || bytes > end - address;
}

static uint8_t *place(uint32_t address) { return (uint8_t *)(uint16_t)(address - ORIGIN); }

/* 3.3 ms for a byte that changes. */
static void write_byte(uint32_t address, uint8_t byte) {
  eeprom_update_byte(place(address), byte);
  tinyops_arduino_feed_watchdog();
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  if (is_outside(address, bytes) != 0) {
    return -1;
  }
  for (uint32_t i = 0; i < bytes; i++) {
    write_byte(address + i, ERASED);
  }
  eeprom_busy_wait();
  return 0;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count) != 0) {
    return -1;
  }
  for (uint32_t i = 0; i < count; i++) {
    write_byte(address + i, bytes[i]);
  }
  eeprom_busy_wait();
  return 0;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count) != 0) {
    return -1;
  }
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = eeprom_read_byte(place(address + i));
  }
  return 0;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {1, 1, erase, program, read};
  return &flash;
}

#endif
