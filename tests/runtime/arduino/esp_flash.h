/* Thin: see Arduino.h. */
#pragma once
#include <stdint.h>
typedef int esp_err_t;
#define ESP_OK 0
struct esp_flash_t;
extern "C" {
esp_err_t esp_flash_read(esp_flash_t *chip, void *buffer, uint32_t address, uint32_t length);
esp_err_t esp_flash_write(esp_flash_t *chip, const void *buffer, uint32_t address, uint32_t length);
esp_err_t esp_flash_erase_region(esp_flash_t *chip, uint32_t start, uint32_t length);
}
