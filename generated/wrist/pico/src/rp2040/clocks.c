/* From the 12 MHz crystal: PLL_SYS to 125 MHz, PLL_USB to 48 MHz, a tick each microsecond.
 *
 * Facts: RP2040 datasheet 2.14 (resets), 2.15 (clocks), 2.16 (crystal), 2.18 (PLLs), 4.7 (tick). */
#include "clocks.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define RESETS(offset) REGISTER(0x4000c000u + (offset))
#define RESETS_SET(offset) REGISTER(0x4000e000u + (offset))
#define RESETS_CLEAR(offset) REGISTER(0x4000f000u + (offset))
#define CLOCKS(offset) REGISTER(0x40008000u + (offset))
#define CRYSTAL(offset) REGISTER(0x40024000u + (offset))
#define PLL_SYS 0x40028000u
#define PLL_USB 0x4002c000u
#define WATCHDOG_TICK REGISTER(0x4005802cu)

enum {
  RESET = 0x0,
  RESET_DONE = 0x8,

  CLOCK_REF_CONTROL = 0x30,
  CLOCK_REF_SELECTED = 0x38,
  CLOCK_SYS_CONTROL = 0x3c,
  CLOCK_SYS_DIVIDER = 0x40,
  CLOCK_SYS_SELECTED = 0x44,
  CLOCK_PERI_CONTROL = 0x48,
  CLOCK_ADC_CONTROL = 0x60,
  CLOCK_ADC_DIVIDER = 0x64,
  REF_FROM_CRYSTAL = 2,
  SYS_FROM_REF = 0,
  SYS_FROM_PLL = 1, /* the auxiliary input, which is PLL_SYS after reset */

  CRYSTAL_CONTROL = 0x00,
  CRYSTAL_STATUS = 0x04,
  CRYSTAL_STARTUP = 0x0c,
  CRYSTAL_MHZ = 12,
  CRYSTAL_STARTUP_1_MS = 47, /* in 256 periods */

  PLL_CONTROL = 0x0,
  PLL_POWER = 0x4,
  PLL_MULTIPLIER = 0x8,
  PLL_DIVIDERS = 0xc
};

/* GPIO and its pads, both PLLs, UART0, timer, ADC, the chip's identity. */
#define USED (1u << 5 | 1u << 8 | 1u << 12 | 1u << 13 | 1u << 22 | 1u << 21 | 1u << 0 | 1u << 19)
#define UART1 (1u << 23)
#define PLLS (1u << 12 | 1u << 13)
#define CRYSTAL_ON (0xfabu << 12 | 0xaa0u) /* 1 to 15 MHz */
#define CRYSTAL_STABLE (1u << 31)
#define PLL_LOCKED (1u << 31)
#define PLL_OFF 0x2du
#define PLL_DIVIDERS_OFF 0x08u
#define CLOCK_ENABLED (1u << 11)
#define DIVIDE_BY_1 (1u << 8)
#define TICK_ON (1u << 9)

static void start_crystal(void) {
  CRYSTAL(CRYSTAL_STARTUP) = CRYSTAL_STARTUP_1_MS;
  CRYSTAL(CRYSTAL_CONTROL) = CRYSTAL_ON;
  while ((CRYSTAL(CRYSTAL_STATUS) & CRYSTAL_STABLE) == 0) {
  }
}

/* 12 MHz * multiplier / (first * second). */
static void start_pll(uint32_t pll, uint32_t multiplier, uint32_t first, uint32_t second) {
  REGISTER(pll + PLL_POWER) = PLL_OFF;
  REGISTER(pll + PLL_CONTROL) = 1; /* the crystal, not divided */
  REGISTER(pll + PLL_MULTIPLIER) = multiplier;
  REGISTER(pll + PLL_POWER) = PLL_DIVIDERS_OFF;
  while ((REGISTER(pll + PLL_CONTROL) & PLL_LOCKED) == 0) {
  }
  REGISTER(pll + PLL_DIVIDERS) = first << 16 | second << 12;
  REGISTER(pll + PLL_POWER) = 0;
}

/* What runs from a PLL must not while the PLL is set. */
static void run_from_crystal(void) {
  CLOCKS(CLOCK_SYS_CONTROL) = SYS_FROM_REF;
  while (CLOCKS(CLOCK_SYS_SELECTED) != 1u << SYS_FROM_REF) {
  }
  CLOCKS(CLOCK_REF_CONTROL) = REF_FROM_CRYSTAL;
  while (CLOCKS(CLOCK_REF_SELECTED) != 1u << REF_FROM_CRYSTAL) {
  }
}

static void run_from_pll(void) {
  CLOCKS(CLOCK_SYS_DIVIDER) = DIVIDE_BY_1;
  CLOCKS(CLOCK_SYS_CONTROL) = SYS_FROM_PLL;
  while (CLOCKS(CLOCK_SYS_SELECTED) != 1u << SYS_FROM_PLL) {
  }
  CLOCKS(CLOCK_PERI_CONTROL) = CLOCK_ENABLED; /* from the core's */
  CLOCKS(CLOCK_ADC_DIVIDER) = DIVIDE_BY_1;
  CLOCKS(CLOCK_ADC_CONTROL) = CLOCK_ENABLED; /* from PLL_USB */
}

void rp2040_open_clocks(void) {
  start_crystal();
  run_from_crystal();
  RESETS_SET(RESET) = PLLS;
  RESETS_CLEAR(RESET) = USED;
  while ((RESETS(RESET_DONE) & USED) != USED) {
  }
  start_pll(PLL_SYS, 125, 6, 2);
  start_pll(PLL_USB, 100, 5, 5);
  run_from_pll();
  WATCHDOG_TICK = TICK_ON | CRYSTAL_MHZ;
}

void rp2040_open_uart1(void) {
  RESETS_SET(RESET) = UART1;
  RESETS_CLEAR(RESET) = UART1;
  while ((RESETS(RESET_DONE) & UART1) == 0) {
  }
}
