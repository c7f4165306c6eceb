/* Facts: nRF51 Series Reference Manual (POWER, WDT), nRF52840 Product Specification (POWER, WDT,
 * SAADC). */
#include "chip.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define WATCHDOG(offset) REGISTER(0x40010000u + (offset))
#define ADC(offset) REGISTER(0x40007000u + (offset))

#define BY_PIN (1u << 0)
#define BY_WATCHDOG (1u << 1)
#define BY_SOFTWARE (1u << 2)
#define BY_LOCKUP (1u << 3)

#define WATCHDOG_FOOD 0x6e524635u

enum {
  WATCHDOG_START = 0x000,
  WATCHDOG_RUNS = 0x400,
  WATCHDOG_TIME = 0x504,
  WATCHDOG_FEEDERS = 0x508,
  WATCHDOG_CONFIG = 0x50c,
  WATCHDOG_FEED = 0x600,
  WATCHDOG_HZ = 32768,
  WATCHDOG_S = 30,
  COUNTS_IN_SLEEP = 1, /* and not while a debugger holds the core */

  ADC_START = 0x000,
  ADC_SAMPLE = 0x004,
  ADC_STOP = 0x008,
  ADC_STARTED = 0x100,
  ADC_END = 0x104,
  ADC_STOPPED = 0x114,
  ADC_ENABLE = 0x500,
  ADC_INPUT = 0x510,
  ADC_CONFIG = 0x518,
  ADC_RESOLUTION = 0x5f0,
  ADC_RESULT = 0x62c,
  ADC_RESULT_COUNT = 0x630,
  ADC_INPUT_VDD = 9,
  ADC_10_US_GAIN_SIXTH = 2 << 16, /* against the reference of 0.6 V: 3.6 V are full scale */
  ADC_12_BITS = 2,
  ADC_FULL_SCALE_MV = 3600,
  ADC_PATIENCE = 10000
};

tinyops_reset_cause nrf5_take_reset_cause(volatile uint32_t *reasons) {
  const uint32_t reason = *reasons;
  *reasons = reason; /* ones clear what they meet */
  if (reason == UINT32_MAX) {
    return TINYOPS_RESET_UNKNOWN; /* no such register */
  }
  if ((reason & BY_WATCHDOG) != 0) {
    return TINYOPS_RESET_WATCHDOG;
  }
  if ((reason & BY_LOCKUP) != 0) {
    return TINYOPS_RESET_FAULT;
  }
  if ((reason & BY_SOFTWARE) != 0) {
    return TINYOPS_RESET_SOFTWARE;
  }
  if ((reason & BY_PIN) != 0) {
    return TINYOPS_RESET_PIN;
  }
  return reason == 0 ? TINYOPS_RESET_POWER : TINYOPS_RESET_UNKNOWN;
}

void nrf5_watchdog_feed(void) { WATCHDOG(WATCHDOG_FEED) = WATCHDOG_FOOD; }

void nrf5_watchdog_start(void) {
  if ((WATCHDOG(WATCHDOG_RUNS) & 1u) == 0) {
    WATCHDOG(WATCHDOG_CONFIG) = COUNTS_IN_SLEEP;
    WATCHDOG(WATCHDOG_TIME) = WATCHDOG_S * WATCHDOG_HZ;
    WATCHDOG(WATCHDOG_FEEDERS) = 1;
    WATCHDOG(WATCHDOG_START) = 1;
  }
  nrf5_watchdog_feed();
}

#if __ARM_ARCH >= 7
static int wait_for(uint32_t event) {
  for (uint32_t i = 0; i < ADC_PATIENCE; i++) {
    if (ADC(event) != 0) {
      ADC(event) = 0;
      return 1;
    }
  }
  return 0;
}

uint32_t nrf52_supply_mv(void) {
  volatile int16_t result = 0;
  ADC(ADC_ENABLE) = 1;
  ADC(ADC_INPUT) = ADC_INPUT_VDD;
  ADC(ADC_CONFIG) = ADC_10_US_GAIN_SIXTH;
  ADC(ADC_RESOLUTION) = ADC_12_BITS;
  ADC(ADC_RESULT) = (uint32_t)&result;
  ADC(ADC_RESULT_COUNT) = 1;
  ADC(ADC_START) = 1;
  int done = wait_for(ADC_STARTED);
  ADC(ADC_SAMPLE) = 1;
  done = done && wait_for(ADC_END);
  ADC(ADC_STOP) = 1;
  (void)wait_for(ADC_STOPPED); /* it writes into this function's memory until then */
  ADC(ADC_ENABLE) = 0;
  return done && result > 0 ? (uint32_t)result * ADC_FULL_SCALE_MV / 4096u : 0;
}
#endif
