/* Thin: see Arduino.h. */
#pragma once
#include <stddef.h>
#include <stdint.h>
extern "C" {
void flash_range_erase(uint32_t offset, size_t count);
void flash_range_program(uint32_t offset, const uint8_t *data, size_t count);
}
