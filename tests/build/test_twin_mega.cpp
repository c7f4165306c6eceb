/* The Arduino port with a program of the test's, in place of main.cpp: says on one line each why it
 * started, then obeys letters. */
#include "core.h"
#include "tinyops/port.h"

static tinyops_port port;

static void say(uint32_t number) {
  char text[12];
  uint8_t at = sizeof(text);
  text[--at] = '\n';
  do {
    text[--at] = (char)('0' + number % 10);
    number /= 10;
  } while (number != 0);
  port.write(port.context, (const uint8_t *)text + at, sizeof(text) - at);
}

void setup() {
  tinyops_port_open(&port);
  say((uint32_t)port.reset_cause);
}

void loop() {
  port.feed_watchdog(port.context);
  const int32_t letter = port.read_byte(port.context);
  if (letter == 'c') {
    port.start_ticks(port.context);
    delayMicroseconds(5000); /* longer than the timer counts */
    say(port.cycles(port.context));
  } else if (letter == 'l') {
    const int8_t outputs[2] = {0, 1};
    port.show(port.context, 1, outputs, 2);
    say((uint32_t)digitalRead(LED_BUILTIN));
    port.show(port.context, 0, outputs, 2);
    say((uint32_t)digitalRead(LED_BUILTIN));
  } else if (letter == 'm') {
    say(port.now_ms(port.context));
  } else if (letter == 'w') {
    for (;;) {
    }
  } else if (letter == 'x') {
    port.reset(port.context);
  } else {
    port.idle(port.context);
  }
}
