/* RP2040 on a Raspberry Pi Pico: UART0 on GP0 and GP1 as serial line, UART1 on GP4 and GP5 to the
 * part before in a chain; LED and supply voltage where the board's pins.h has them. No USB.
 *
 * Facts: RP2040 datasheet 2.8.1 (resets), 2.19 (GPIO), 4.2 (UART), 4.6 (timer), 4.7 (watchdog),
 * 4.9 (ADC); Pico datasheet 2.1 (pins). */
#include "tinyops/port.h"

#include "clocks.h"
#include "flash.h"
#include "pico.h"
#include "startup.h"
#include "watchdog.h"

#if !defined(TINYOPS_BAUD)
#define TINYOPS_BAUD 115200 /* a collector has its own */
#endif
#if !defined(TINYOPS_UPSTREAM_BAUD)
#define TINYOPS_UPSTREAM_BAUD 115200
#endif
#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART(offset) REGISTER(0x40034000u + (offset))
#define UPSTREAM(offset) REGISTER(0x40038000u + (offset))
#define TIMER_NOW REGISTER(0x40054028u)
#define TIMER_NOW_HIGH REGISTER(0x40054024u)
#define ALARM REGISTER(0x40054010u)
#define ALARM_INTERRUPT REGISTER(0x40054034u)
#define ALARM_INTERRUPT_ON REGISTER(0x40054038u)
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
  UART_BAUD = TINYOPS_BAUD,
  UART_IRQ = 20,
  UPSTREAM_IRQ = 21,
  ALARM_IRQ = 0,

#if defined(TINYOPS_PART)
  TICK_US = 5000, /* a sleep's longest: a part tells its neighbours in time */
#else
  TICK_US = 500000, /* a sleep's longest */
#endif
  SENSOR_TICK_US = 5000, /* the same while a sensor samples */

  PIN_TX = 0,
  PIN_RX = 1,
  PIN_UPSTREAM_TX = 4,
  PIN_UPSTREAM_RX = 5,
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
#define DIVISOR(baud) ((4u * RP2040_CORE_HZ + (baud) / 2u) / (baud))
#define UART_DIVISOR DIVISOR(UART_BAUD)
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

#if defined(TINYOPS_PART)
static int32_t read_upstream(void *context) {
  (void)context;
  if ((UPSTREAM(UART_FLAGS) & UART_NOTHING_RECEIVED) != 0) {
    return TINYOPS_PORT_NO_BYTE;
  }
  return (int32_t)(UPSTREAM(UART_DATA) & 0xffu);
}

static void write_upstream(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    while ((UPSTREAM(UART_FLAGS) & UART_TX_FULL) != 0) {
    }
    UPSTREAM(UART_DATA) = bytes[i];
  }
}

static const tinyops_port_stream *open_upstream(void) {
  static const tinyops_port_stream upstream = {read_upstream, write_upstream};
  rp2040_open_uart1();
  PIN_PAD(PIN_UPSTREAM_RX) = PAD_PULLED_UP;
  PIN_FUNCTION(PIN_UPSTREAM_TX) = PIN_IS_UART;
  PIN_FUNCTION(PIN_UPSTREAM_RX) = PIN_IS_UART;
  UPSTREAM(UART_CONTROL) = 0;
  UPSTREAM(UART_DIVIDER) = DIVISOR(TINYOPS_UPSTREAM_BAUD) >> 6;
  UPSTREAM(UART_FRACTION) = DIVISOR(TINYOPS_UPSTREAM_BAUD) & 63u;
  UPSTREAM(UART_LINE) = UART_8_BITS_FIFO;
  UPSTREAM(UART_LEVELS) = 0;
  UPSTREAM(UART_INTERRUPTS_ON) = UART_RECEIVED_OR_TIMEOUT;
  UPSTREAM(UART_CONTROL) = UART_ON;
  tinyops_startup_wake_by(UPSTREAM_IRQ);
  return &upstream;
}
#endif

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

static void idle(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  ALARM = TIMER_NOW + (port->sensor != 0 ? SENSOR_TICK_US : TICK_US);
  tinyops_startup_sleep(UART_IRQ);
  ALARM_INTERRUPT = 1;
  tinyops_startup_forget(ALARM_IRQ);
#if defined(TINYOPS_PART)
  tinyops_startup_forget(UPSTREAM_IRQ);
#endif
}

static void feed_watchdog(void *context) {
  (void)context;
  rp2040_watchdog_feed(RP2040_WATCHDOG_MS);
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

/* The timer counts microseconds in 64 bits, read in two halves that must belong together. */
static uint32_t now_ms(void *context) {
  (void)context;
  uint32_t high = TIMER_NOW_HIGH;
  uint32_t low = TIMER_NOW;
  while (TIMER_NOW_HIGH != high) {
    high = TIMER_NOW_HIGH;
    low = TIMER_NOW;
  }
  return (uint32_t)(((uint64_t)high << 32 | low) / 1000u);
}

static void reset(void *context) {
  (void)context;
  rp2040_reset();
}

#if defined(BOARD_LED_PIN)
/* The LED is lit for every class but the first, which stands for nothing of interest. */
static void show(void *context, uint32_t best, const int8_t *outputs, uint32_t count) {
  (void)context;
  (void)outputs;
  (void)count;
  pico_show(best != 0);
}
#endif

#if defined(BOARD_SUPPLY_PIN)
static uint32_t supply_mv(void *context) {
  (void)context;
  return pico_supply_mv();
}
#endif

void tinyops_port_open(tinyops_port *port) {
  rp2040_open_clocks();
  open_uart();
  ALARM_INTERRUPT_ON = 1;
  tinyops_startup_wake_by(UART_IRQ);
  tinyops_startup_wake_by(ALARM_IRQ);
  rp2040_watchdog_start(RP2040_WATCHDOG_MS);
  *port = (tinyops_port) {
    .context = port, .read_byte = read_byte, .write = write_bytes, .start_ticks = start_ticks,
    .ticks = ticks, .tick_hz = RP2040_CORE_HZ, .cycles = tinyops_startup_read_cycles,
    .cycle_bits = tinyops_startup_open_cycles(), .emulated = (PLATFORM & PLATFORM_SILICON) == 0,
    .idle = idle, .measure = tinyops_ram_measure, .now_ms = now_ms, .reset = reset,
    .reset_cause = rp2040_find_reset_cause(), .feed_watchdog = feed_watchdog,
    .flash = rp2040_flash(),
#if defined(BOARD_LED_PIN)
    .show = show,
#endif
#if defined(BOARD_SUPPLY_PIN)
    .supply_mv = supply_mv,
#endif
    .keep = tinyops_ram_keep(), .keep_bytes = tinyops_ram_keep_bytes(),
  };
#if defined(TINYOPS_PART)
  port->upstream = open_upstream();
#endif
  if (rp2040_flash_read_number((uint8_t *)port->silicon) == 0) {
    port->silicon_bytes = RP2040_FLASH_NUMBER_BYTES;
  }
}
