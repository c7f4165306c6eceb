/* What all Cortex-M3 and later have in common below their Arduino cores: the cycle counter, sleep,
 * reset. */
#ifndef TINYOPS_ARDUINO_CORTEX_H
#define TINYOPS_ARDUINO_CORTEX_H

#include "core.h"
#include "hardware.h"

#define CORTEX_REGISTER(address) (*(volatile uint32_t *)(address))
#define CORTEX_DEMCR CORTEX_REGISTER(0xe000edfcu)
#define CORTEX_DWT_CONTROL CORTEX_REGISTER(0xe0001000u)
#define CORTEX_DWT_CYCLES CORTEX_REGISTER(0xe0001004u)
#define CORTEX_AIRCR CORTEX_REGISTER(0xe000ed0cu)

uint8_t tinyops_arduino_open_cycles(void) {
  CORTEX_DEMCR |= 1u << 24; /* TRCENA */
  CORTEX_DWT_CONTROL |= 1u;
  return 32;
}

void tinyops_arduino_clear_cycles(void) { CORTEX_DWT_CYCLES = 0; }

uint32_t tinyops_arduino_cycles(void) { return CORTEX_DWT_CYCLES; }

/* An interrupt between the question and the sleep is made up for by the core's tick, a millisecond
 * later. */
void tinyops_arduino_sleep(int (*ready)(void)) {
  if (ready() == 0) {
    __asm volatile("wfi");
  }
}

void tinyops_arduino_reset(void) {
  __asm volatile("dsb");
  CORTEX_AIRCR = 0x05fa0004u; /* SYSRESETREQ */
  for (;;) {
  }
}

uint16_t tinyops_arduino_supply_mv(void) { return 0; }

void tinyops_arduino_measure(tinyops_port_memory *memory) { *memory = tinyops_port_memory(); }

#endif
