/* Teensy 4: the core's routines for its emulated EEPROM and file system, which lie in RAM and see
 * to the cache. */
#if defined(__IMXRT1062__)

#include <string.h>

#include "core.h"
#include "hardware.h"

extern "C" {
/* Of the core, in no header of its own. The first takes what lies within a page. */
void eepromemu_flash_write(void *address, const void *data, uint32_t length);
void eepromemu_flash_erase_sector(void *address);
}

static const uint32_t SECTOR = 4096, PAGE = 256;

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  for (uint32_t at = 0; at < bytes; at += SECTOR) {
    eepromemu_flash_erase_sector((void *)(address + at));
  }
  return 0;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t at = 0; at < count; at += PAGE) {
    eepromemu_flash_write((void *)(address + at), bytes + at, PAGE);
  }
  return 0;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  memcpy(bytes, (const void *)address, count);
  return 0;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {SECTOR, PAGE, erase, program, read};
  return &flash;
}

#endif
