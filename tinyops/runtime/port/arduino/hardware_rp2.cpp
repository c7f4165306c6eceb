/* RP2040 and RP2350 under the core arduino-pico. */
#if defined(ARDUINO_ARCH_RP2040) && !defined(ARDUINO_ARCH_MBED)

#include <pico/unique_id.h>
#include <string.h>

#include "core.h"
#include "hardware.h"

static const uint32_t WATCHDOG_MS = 8000;
static uint32_t cycles_start;

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  switch (rp2040.getResetReason()) {
    case RP2040::PWRON_RESET:
      return TINYOPS_RESET_POWER;
    case RP2040::RUN_PIN_RESET:
      return TINYOPS_RESET_PIN;
    case RP2040::SOFT_RESET:
      return TINYOPS_RESET_SOFTWARE;
    case RP2040::WDT_RESET:
      return TINYOPS_RESET_WATCHDOG;
    case RP2040::BROWNOUT_RESET:
      return TINYOPS_RESET_BROWNOUT;
    default:
      return TINYOPS_RESET_UNKNOWN;
  }
}

void tinyops_arduino_reset(void) {
  rp2040.reboot();
  for (;;) {
  }
}

/* Of an RP2040 that of its flash, of an RP2350 its own. */
uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  pico_unique_board_id_t own;
  pico_get_unique_board_id(&own);
  memcpy(number, own.id, sizeof(own.id));
  return sizeof(own.id);
}

void tinyops_arduino_start_watchdog(void) { rp2040.wdt_begin(WATCHDOG_MS); }

void tinyops_arduino_feed_watchdog(void) { rp2040.wdt_reset(); }

uint16_t tinyops_arduino_supply_mv(void) { return 0; }

void tinyops_arduino_sleep(int (*ready)(void)) {
  if (ready() == 0) {
    __asm volatile("wfi");
  }
}

void tinyops_arduino_measure(tinyops_port_memory *memory) { *memory = tinyops_port_memory(); }

uint8_t tinyops_arduino_open_cycles(void) { return 32; }

void tinyops_arduino_clear_cycles(void) { cycles_start = rp2040.getCycleCount(); }

uint32_t tinyops_arduino_cycles(void) { return rp2040.getCycleCount() - cycles_start; }

#endif
