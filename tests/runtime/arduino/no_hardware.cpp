/* In place of a hardware_*.cpp, whose registers are not here. */
#include <cstdlib>

#include "Arduino.h"
#include "hardware.h"

tinyops_reset_cause tinyops_arduino_read_reset_cause(void) { return TINYOPS_RESET_POWER; }
void tinyops_arduino_reset(void) { std::_Exit(0); }
uint32_t tinyops_arduino_read_silicon(uint32_t *) { return 0; }
void tinyops_arduino_start_watchdog(void) {}
void tinyops_arduino_feed_watchdog(void) {}
uint16_t tinyops_arduino_supply_mv(void) { return 0; }
void tinyops_arduino_sleep(int (*ready)(void)) {
  if (ready() == 0) {
    delay(1);
  }
}
void tinyops_arduino_measure(tinyops_port_memory *memory) { *memory = tinyops_port_memory(); }
uint8_t tinyops_arduino_open_cycles(void) { return 0; }
void tinyops_arduino_clear_cycles(void) {}
uint32_t tinyops_arduino_cycles(void) { return 0; }
