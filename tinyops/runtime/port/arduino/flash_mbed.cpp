/* nRF52840 under mbed, which writes flash between two events of its radio. */
#if defined(ARDUINO_ARCH_MBED)

#include "core.h"
#include "foreign_mbed.h"
#include "hardware.h"

static mbed::FlashIAP device;

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  return device.erase(address, bytes) == 0 ? 0 : -1;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  return device.program(bytes, address, count) == 0 ? 0 : -1;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  return device.read(bytes, address, count) == 0 ? 0 : -1;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {4096, 4, erase, program, read};
  return device.init() == 0 ? &flash : nullptr;
}

#endif
