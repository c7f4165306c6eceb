/* RA4M1: settings lie in data flash, which is written while the program runs from code flash. */
#if defined(ARDUINO_ARCH_RENESAS)

#include <DataFlashBlockDevice.h>

#include "core.h"
#include "hardware.h"

static const uint32_t ORIGIN = 0x40100000;
static const uint32_t BYTES = 8192;

static int32_t is_outside(uint32_t address, uint32_t bytes) {
  return address < ORIGIN || address - ORIGIN > BYTES || bytes > BYTES - (address - ORIGIN);
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  if (is_outside(address, bytes) != 0) {
    return -1;
  }
  return DataFlashBlockDevice::getInstance().erase(address - ORIGIN, bytes) == 0 ? 0 : -1;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count) != 0) {
    return -1;
  }
  return DataFlashBlockDevice::getInstance().program(bytes, address - ORIGIN, count) == 0 ? 0 : -1;
}

/* The core's read answers with an error when the device is open, and reads all the same. */
static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count) != 0) {
    return -1;
  }
  (void)DataFlashBlockDevice::getInstance().read(bytes, address - ORIGIN, count);
  return 0;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {1024, 1, erase, program, read};
  return &flash;
}

#endif
