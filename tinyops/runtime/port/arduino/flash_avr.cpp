/* ATmega: settings lie in EEPROM, byte by byte; the program goes on meanwhile. The catalogue counts
 * EEPROM from where AVR's linker does. */
#if defined(ARDUINO_ARCH_AVR)

#include <avr/eeprom.h>
#include <avr/interrupt.h>

#include "core.h"
#include "hardware.h"

static const uint32_t ORIGIN = 0x810000;
static const uint8_t ERASED = 0xff;

static int32_t is_outside(uint32_t address, uint32_t bytes) {
  const uint32_t end = ORIGIN + E2END + 1u;
  return address < ORIGIN || address > end || bytes > end - address;
}

static uint8_t *place(uint32_t address) { return (uint8_t *)(uint16_t)(address - ORIGIN); }

/* 1.8 ms: only erases, also what reads as erased, which it may not do for long after a cut. */
static void erase_byte(uint32_t address) {
  eeprom_busy_wait();
  tinyops_arduino_feed_watchdog();
  EEAR = (uint16_t)(address - ORIGIN);
  EEDR = ERASED;
  EECR = _BV(EEPM0);
  cli(); /* the second bit must follow the first within four cycles */
  EECR |= _BV(EEMPE);
  EECR |= _BV(EEPE);
  sei();
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  if (is_outside(address, bytes) != 0) {
    return -1;
  }
  for (uint32_t i = 0; i < bytes; i++) {
    erase_byte(address + i);
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
    tinyops_arduino_feed_watchdog();
    eeprom_write_byte(place(address + i), bytes[i]); /* 3.3 ms */
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
