/* TIMER1 of an nRF51 has 16 bits: it counts 31,250 times a second and is read in time. What was
 * counted before lies in compare registers of TIMER0 that nothing else uses: ports keep no globals.
 */
#include "clock.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define TIMER(offset) REGISTER(0x40009000u + (offset))
#define SAVED_MS REGISTER(0x40008544u)    /* CC1 of TIMER0: whole milliseconds, a multiple of 4 */
#define SAVED_COUNT REGISTER(0x40008548u) /* CC2 of TIMER0: where the counter stood then */

enum {
  START = 0x000,
  CAPTURE1 = 0x044,
  COMPARE0 = 0x140,
  INTERRUPTS_ON = 0x304,
  INTERRUPTS_OFF = 0x308,
  MODE = 0x504,
  BITS = 0x508,
  PRESCALER = 0x510,
  CC0 = 0x540,
  CC1 = 0x544,
  BITS_16 = 0,
  DIVIDE_BY_512 = 9,
  COUNTS_IN_4_MS = 125
};

#define COMPARE0_INTERRUPT (1u << 16)
#define COUNT_MASK 0xffffu

void nrf5_clock_open(void) {
  if (TIMER(PRESCALER) == DIVIDE_BY_512) {
    return;
  }
  TIMER(MODE) = 0;
  TIMER(BITS) = BITS_16;
  TIMER(PRESCALER) = DIVIDE_BY_512;
  SAVED_MS = 0;
  SAVED_COUNT = 0;
  TIMER(START) = 1;
}

static uint32_t count(void) {
  TIMER(CAPTURE1) = 1;
  return TIMER(CC1) & COUNT_MASK;
}

uint32_t nrf5_clock_now_ms(void) {
  uint32_t since = (count() - SAVED_COUNT) & COUNT_MASK;
  while (since >= COUNTS_IN_4_MS) { /* few times: it is asked often; the core has no division */
    since -= COUNTS_IN_4_MS;
    SAVED_MS += 4;
    SAVED_COUNT = (SAVED_COUNT + COUNTS_IN_4_MS) & COUNT_MASK;
  }
  return SAVED_MS + (since * 2097u >> 16); /* 4 of COUNTS_IN_4_MS; exact below them */
}

void nrf5_clock_wake_after(uint32_t ms) {
  (void)nrf5_clock_now_ms();
  TIMER(COMPARE0) = 0;
  TIMER(CC0) = (count() + ms * COUNTS_IN_4_MS / 4) & COUNT_MASK;
  TIMER(INTERRUPTS_ON) = COMPARE0_INTERRUPT;
}

void nrf5_clock_stop_waking(void) {
  TIMER(INTERRUPTS_OFF) = COMPARE0_INTERRUPT;
  TIMER(COMPARE0) = 0;
  (void)nrf5_clock_now_ms();
}
