/* ESP32, ESP32-S3, ESP32-C3. */
#if defined(ARDUINO_ARCH_ESP32)

#include <esp_system.h>

#include "core.h"
#include "hardware.h"

static uint32_t cycles_start;

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  switch (esp_reset_reason()) {
    case ESP_RST_POWERON:
      return TINYOPS_RESET_POWER;
    case ESP_RST_EXT:
      return TINYOPS_RESET_PIN;
    case ESP_RST_SW:
      return TINYOPS_RESET_SOFTWARE;
    case ESP_RST_PANIC:
      return TINYOPS_RESET_FAULT;
    case ESP_RST_INT_WDT:
    case ESP_RST_TASK_WDT:
    case ESP_RST_WDT:
      return TINYOPS_RESET_WATCHDOG;
    case ESP_RST_BROWNOUT:
      return TINYOPS_RESET_BROWNOUT;
    default:
      return TINYOPS_RESET_UNKNOWN;
  }
}

void tinyops_arduino_reset(void) {
  esp_restart();
  for (;;) {
  }
}

/* Its first MAC address, from fuses. */
uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  const uint64_t address = ESP.getEfuseMac();
  number[0] = (uint32_t)address;
  number[1] = (uint32_t)(address >> 32);
  return 6;
}

void tinyops_arduino_start_watchdog(void) { enableLoopWDT(); }

void tinyops_arduino_feed_watchdog(void) { feedLoopWDT(); }

uint16_t tinyops_arduino_supply_mv(void) { return 0; }

/* The system sleeps in its idle task. */
void tinyops_arduino_sleep(int (*ready)(void)) {
  if (ready() == 0) {
    delay(1);
  }
}

void tinyops_arduino_measure(tinyops_port_memory *memory) { *memory = tinyops_port_memory(); }

uint8_t tinyops_arduino_open_cycles(void) { return 32; }

void tinyops_arduino_clear_cycles(void) { cycles_start = ESP.getCycleCount(); }

uint32_t tinyops_arduino_cycles(void) { return ESP.getCycleCount() - cycles_start; }

#endif
