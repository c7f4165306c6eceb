/* RP2040 and RP2350 under arduino-pico: the SDK's routines lie in RAM, and nothing else may run
 * from flash meanwhile. */
#if defined(ARDUINO_ARCH_RP2040) && !defined(ARDUINO_ARCH_MBED)

#include <hardware/flash.h>
#include <string.h>

#include "core.h"
#include "hardware.h"

static const uint32_t ORIGIN = 0x10000000;

static void begin(void) {
  rp2040.idleOtherCore();
  noInterrupts();
}

static void end(void) {
  interrupts();
  rp2040.resumeOtherCore();
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  begin();
  flash_range_erase(address - ORIGIN, bytes);
  end();
  return 0;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  begin();
  flash_range_program(address - ORIGIN, bytes, count);
  end();
  return 0;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  memcpy(bytes, (const void *)address, count);
  return 0;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {4096, 256, erase, program, read};
  return &flash;
}

#endif
