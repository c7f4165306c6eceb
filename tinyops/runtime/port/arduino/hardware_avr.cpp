/* ATmega: sleep, resets, the painted stack, cycles from timer 5 where there is one. */
#if defined(ARDUINO_ARCH_AVR)

#include <avr/interrupt.h>
#include <avr/pgmspace.h>
#include <avr/wdt.h>

#include "core.h"
#include "hardware.h"
#include "tinyops/sha256.h"

extern "C" {
extern uint8_t __data_start, __heap_start; /* the linker's: RAM in use lies between them */
extern uint8_t __data_load_end;            /* a place in flash, where the firmware ends */
void tinyops_arduino_paint_stack(void) __attribute__((naked, used, section(".init3")));
}

enum { PAINT = 0xa5, SOFTWARE_RESET = 0x5afe, CYCLES_A_US = F_CPU / 1000000L };

/* Kept over resets, and telling a reset of our own from the watchdog's, which it is made with. */
static uint16_t reset_mark __attribute__((section(".noinit")));

/* Runs before data is set up, with nothing on the stack. */
void tinyops_arduino_paint_stack(void) {
  for (uint8_t *byte = &__heap_start; byte <= (uint8_t *)RAMEND; byte++) {
    *(volatile uint8_t *)byte = PAINT;
  }
}

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) {
  const uint8_t flags = MCUSR;
  const uint16_t mark = reset_mark;
  MCUSR = 0;
  wdt_disable(); /* after its reset it stays on, with the shortest time */
  reset_mark = 0;
  if ((flags & _BV(PORF)) != 0) {
    return TINYOPS_RESET_POWER;
  }
  if (mark == SOFTWARE_RESET) {
    return TINYOPS_RESET_SOFTWARE;
  }
  if ((flags & _BV(WDRF)) != 0) {
    return TINYOPS_RESET_WATCHDOG;
  }
  if ((flags & _BV(BORF)) != 0) {
    return TINYOPS_RESET_BROWNOUT;
  }
  return (flags & _BV(EXTRF)) != 0 ? TINYOPS_RESET_PIN : TINYOPS_RESET_UNKNOWN;
}

/* The chip has none. */
uint32_t tinyops_arduino_read_silicon(uint32_t *number) {
  (void)number;
  return 0;
}

void tinyops_arduino_reset(void) {
  cli();
  reset_mark = SOFTWARE_RESET;
  wdt_enable(WDTO_15MS);
  wdt_reset(); /* simavr takes a new time from here on */
  for (;;) {
  }
}

void tinyops_arduino_start_watchdog(void) { wdt_enable(WDTO_8S); }

void tinyops_arduino_feed_watchdog(void) { wdt_reset(); }

/* The bandgap of 1.1 V measured against the supply. */
uint16_t tinyops_arduino_supply_mv(void) {
#if defined(MUX5)
  ADCSRB &= (uint8_t)~_BV(MUX5);
#endif
  ADMUX = _BV(REFS0) | 0x1e;
  delay(2);
  ADCSRA |= _BV(ADSC);
  while ((ADCSRA & _BV(ADSC)) != 0) {
  }
  const uint16_t count = ADC;
  return count == 0 ? 0 : (uint16_t)(1126400UL / count);
}

void tinyops_arduino_sleep(int (*ready)(void)) {
  cli();
  if (ready() == 0) {
    SMCR = _BV(SE); /* idle: timers and the serial line go on */
    sei();          /* takes effect after the next instruction: no interrupt comes between */
    __asm volatile("sleep");
    SMCR = 0;
  }
  sei();
}

void tinyops_arduino_measure(tinyops_port_memory *memory) {
  const uint8_t *byte = &__heap_start;
  while (byte <= (const uint8_t *)RAMEND && *byte == PAINT) {
    byte++;
  }
  memory->stack_used = (uint32_t)(RAMEND + 1u - (uintptr_t)byte);
  memory->stack_bytes = (uint32_t)(RAMEND + 1u - (uintptr_t)&__heap_start);
  memory->static_bytes = (uint32_t)(&__heap_start - &__data_start);
}

/* A pointer of 16 bits does not reach all of flash. Feeds the watchdog: 64 bytes take a while. */
static void read_flash(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  (void)context;
  wdt_reset();
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = pgm_read_byte_far(at + i);
  }
}

void tinyops_arduino_digest_flash(uint8_t *digest) {
  tinyops_sha256_of(read_flash, 0, pgm_get_far_address(__data_load_end), digest);
}

#if defined(TCNT5)
static uint16_t counter_start;
static uint32_t micros_start;

uint8_t tinyops_arduino_open_cycles(void) {
  TCCR5A = 0;
  TCCR5B = _BV(CS50); /* counts every cycle */
  return 32;
}

void tinyops_arduino_clear_cycles(void) {
  micros_start = micros();
  counter_start = TCNT5;
}

/* The timer has 16 bits; micros(), good to 4 us, tells how often it ran over. */
uint32_t tinyops_arduino_cycles(void) {
  const uint16_t counted = (uint16_t)(TCNT5 - counter_start);
  const uint32_t about = (micros() - micros_start) * CYCLES_A_US;
  return about + (uint32_t)(int32_t)(int16_t)(counted - (uint16_t)about);
}
#else
uint8_t tinyops_arduino_open_cycles(void) { return 0; }
void tinyops_arduino_clear_cycles(void) {}
uint32_t tinyops_arduino_cycles(void) { return 0; }
#endif

#endif
