/* ATmega2560 in simavr: outputs as hex digits over the first serial line, a line for each; then
 * "ok" or "failed", and a sleep from which nothing wakes it, which ends the simulator. */
#include <avr/interrupt.h>
#include <avr/io.h>
#include <avr/sleep.h>

#include "platform.h"

static void put(char c) {
  while (!(UCSR0A & (1 << UDRE0))) {
  }
  UDR0 = (uint8_t)c;
}

static void put_digit(uint8_t value) { put((char)(value < 10 ? '0' + value : 'a' + value - 10)); }

void platform_put(const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    put_digit(bytes[i] >> 4);
    put_digit(bytes[i] & 15);
    if (i % 32 == 31 || i + 1 == count) {
      put('\n');
    }
  }
}

int main(void) {
  UCSR0B = 1 << TXEN0;
  const char *end = platform_run() ? "failed\n" : "ok\n";
  while (*end) {
    put(*end++);
  }
  cli();
  sleep_enable();
  sleep_cpu();
  return 0;
}
