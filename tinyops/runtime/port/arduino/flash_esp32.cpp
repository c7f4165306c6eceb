/* ESP32: the flash chip behind the cache, which the system switches off meanwhile. */
#if defined(ARDUINO_ARCH_ESP32)

#include <esp_flash.h>

#include "core.h"
#include "hardware.h"

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  return esp_flash_erase_region(NULL, address, bytes) == ESP_OK ? 0 : -1;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  return esp_flash_write(NULL, bytes, address, count) == ESP_OK ? 0 : -1;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  return esp_flash_read(NULL, bytes, address, count) == ESP_OK ? 0 : -1;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {4096, 256, erase, program, read};
  return &flash;
}

#endif
