/* RP2040 on a Raspberry Pi Pico: UART0 on GP0 and GP1 as serial line, the LED on GP25, supply voltage
 * on ADC 3. No USB.
 *
 * Facts: RP2040 datasheet 2.8.1 (resets), 2.19 (GPIO), 4.2 (UART), 4.6 (timer), 4.7 (watchdog),
 * 4.9 (ADC); Pico datasheet 2.1 (pins). */
#include "tinyops/port.h"

#include "clocks.h"
#include "startup.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART(offset) REGISTER(0x40034000u + (offset))
#define TIMER_NOW REGISTER(0x40054028u)
#define PIN_FUNCTION(pin) REGISTER(0x40014004u + 8u * (pin))
#define PIN_PAD(pin) REGISTER(0x4001c004u + 4u * (pin))
#define PLATFORM REGISTER(0x40000004u)

enum {
  UART_DATA = 0x00,
  UART_FLAGS = 0x18,
  UART_DIVIDER = 0x24,
  UART_FRACTION = 0x28,
  UART_LINE = 0x2c,
  UART_CONTROL = 0x30,
  UART_LEVELS = 0x34,
  UART_INTERRUPTS_ON = 0x38,
  UART_BAUD = 115200,
  UART_IRQ = 20,

  PIN_TX = 0,
  PIN_RX = 1,
  PIN_IS_UART = 2,
  PAD_PULLED_UP = 0x48 /* input on */
};

#define UART_NOTHING_RECEIVED 0x10u
#define UART_TX_FULL 0x20u
#define UART_8_BITS_FIFO 0x70u
#define UART_ON 0x301u
#define UART_RECEIVED_OR_TIMEOUT 0x50u
#define PLATFORM_SILICON 2u
/* Sixty-fourths of the core clock over 16 times the baud rate, rounded. */
#define UART_DIVISOR ((4u * RP2040_CORE_HZ + UART_BAUD / 2u) / UART_BAUD)
#define CYCLES_A_MICROSECOND (RP2040_CORE_HZ / RP2040_TIMER_HZ)
#define CYCLES_BITS 24u
