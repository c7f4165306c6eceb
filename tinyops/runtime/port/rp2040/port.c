/* RP2040 on a Raspberry Pi Pico: UART0 on GP0 and GP1 as serial line, the LED on GP25, supply
 * voltage on ADC 3. No USB.
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
#define STARTED_US \
  REGISTER(0x4005800cu) /* a spare register of the watchdog: ports keep no globals */

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

static int32_t read_byte(void *context) {
  (void)context;
  if ((UART(UART_FLAGS) & UART_NOTHING_RECEIVED) != 0) {
    return TINYOPS_PORT_NO_BYTE;
  }
  return (int32_t)(UART(UART_DATA) & 0xffu);
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    while ((UART(UART_FLAGS) & UART_TX_FULL) != 0) {
    }
    UART(UART_DATA) = bytes[i];
  }
}

static void start_ticks(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  tinyops_startup_clear_cycles(port->cycle_bits);
  STARTED_US = TIMER_NOW;
}

/* SysTick counts core cycles and wraps after 134 ms; the timer tells how often it did. */
static uint32_t ticks(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  const uint32_t low = tinyops_startup_cycles(port->cycle_bits);
  const uint32_t about = (TIMER_NOW - STARTED_US) * CYCLES_A_MICROSECOND;
  const uint32_t half = 1u << (CYCLES_BITS - 1u);
  return ((about - low + half) >> CYCLES_BITS << CYCLES_BITS) + low;
}

static uint32_t cycles(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  return tinyops_startup_cycles(port->cycle_bits);
}

static void idle(void *context) {
  (void)context;
  tinyops_startup_sleep(UART_IRQ);
}

static void open_uart(void) {
  PIN_PAD(PIN_RX) = PAD_PULLED_UP; /* an open line is an idle line */
  PIN_FUNCTION(PIN_TX) = PIN_IS_UART;
  PIN_FUNCTION(PIN_RX) = PIN_IS_UART;
  UART(UART_CONTROL) = 0;
  UART(UART_DIVIDER) = UART_DIVISOR >> 6;
  UART(UART_FRACTION) = UART_DIVISOR & 63u;
  UART(UART_LINE) = UART_8_BITS_FIFO; /* also takes the divisor over */
  UART(UART_LEVELS) = 0;              /* wake when the FIFO is an eighth full, or rests */
  UART(UART_INTERRUPTS_ON) = UART_RECEIVED_OR_TIMEOUT;
  UART(UART_CONTROL) = UART_ON;
}

void tinyops_port_open(tinyops_port *port) {
  rp2040_open_clocks();
  open_uart();
  tinyops_startup_wake_by(UART_IRQ);
  port->context = port;
  port->read_byte = read_byte;
  port->write = write_bytes;
  port->start_ticks = start_ticks;
  port->ticks = ticks;
  port->tick_hz = RP2040_CORE_HZ;
  port->cycles = cycles;
  port->cycle_bits = tinyops_startup_open_cycles();
  port->emulated = (PLATFORM & PLATFORM_SILICON) == 0;
  port->idle = idle;
  port->measure = tinyops_startup_measure;
}
