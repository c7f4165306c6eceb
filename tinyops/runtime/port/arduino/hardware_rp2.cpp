/* RP2040 and RP2350 under the core arduino-pico. */
#if defined(ARDUINO_ARCH_RP2040) && !defined(ARDUINO_ARCH_MBED)

#include <pico/unique_id.h>
#include <string.h>

#include "core.h"
#include "hardware.h"

/* The core's linker script's, beside those that the core declares: __StackLimit, where RAM ends and
 * the stack's memory begins, and __bss_end__. Its second core, whose stack lies below the first's,
 * does not run. */
extern "C" char __StackTop, __data_start__;

static const uint32_t WATCHDOG_MS = 8000;
static const uint32_t PAINT = 0xa5a5a5a5u;
enum { PAINTERS_OWN_WORDS = 16 };
static uint32_t cycles_start;

/* What was deeper before is not seen: the core calls setup() with little on the stack. */
static void paint_stack(void) {
  const uint32_t *end = (const uint32_t *)__builtin_frame_address(0) - PAINTERS_OWN_WORDS;
  for (volatile uint32_t *word = (uint32_t *)(void *)&__StackLimit; word < end; word++) {
    *word = PAINT;
  }
}

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  paint_stack();
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

void tinyops_arduino_measure(tinyops_port_memory *memory) {
  const uint32_t *word = (const uint32_t *)(const void *)&__StackLimit;
  while (word < (const uint32_t *)(const void *)&__StackTop && *word == PAINT) {
    word++;
  }
  memory->stack_used = (uint32_t)((uintptr_t)&__StackTop - (uintptr_t)word);
  memory->stack_bytes = (uint32_t)(&__StackTop - &__StackLimit);
  memory->static_bytes = (uint32_t)(&__bss_end__ - &__data_start__);
}

uint8_t tinyops_arduino_open_cycles(void) { return 32; }

void tinyops_arduino_clear_cycles(void) { cycles_start = rp2040.getCycleCount(); }

uint32_t tinyops_arduino_cycles(void) { return rp2040.getCycleCount() - cycles_start; }

#endif
