/* What tinyops's Arduino port uses of each core's API, declared and no more: for compiling, not for
 * running. */
#ifndef THIN_ARDUINO_H
#define THIN_ARDUINO_H

#include <stddef.h>
#include <stdint.h>

#define LED_BUILTIN 13
#define OUTPUT 1
#define LOW 0
#define HIGH 1

struct SerialLine {
  void begin(unsigned long baud);
  int available();
  int read();
  size_t write(const uint8_t *bytes, size_t count);
  void flush();
};
extern SerialLine Serial;

unsigned long millis();
void delay(unsigned long milliseconds);
void pinMode(int pin, int mode);
void digitalWrite(int pin, int level);

#if defined(ARDUINO_ARCH_ESP32)
void enableLoopWDT();
void feedLoopWDT();
struct EspClass {
  uint32_t getCycleCount();
};
extern EspClass ESP;
#elif defined(ARDUINO_ARCH_RP2040)
struct RP2040 {
  enum resetReason_t {
    UNKNOWN_RESET,
    PWRON_RESET,
    RUN_PIN_RESET,
    SOFT_RESET,
    WDT_RESET,
    DEBUG_RESET,
    GLITCH_RESET,
    BROWNOUT_RESET
  };
  resetReason_t getResetReason();
  void reboot();
  void wdt_begin(uint32_t milliseconds);
  void wdt_reset();
  uint32_t getCycleCount();
};
extern RP2040 rp2040;
extern "C" char __StackLimit, __bss_end__;
#elif defined(__IMXRT1062__)
extern volatile uint32_t SRC_SRSR;
extern volatile uint16_t WDOG1_WCR, WDOG1_WSR;
#elif defined(ARDUINO_ARCH_RENESAS)
struct SystemRegisters {
  volatile uint8_t RSTSR0;
  volatile uint16_t RSTSR1;
};
extern SystemRegisters *const R_SYSTEM;
#endif

#endif
