/* nRF51822 and nRF52840: UART0 with its plain registers (both have them at the same place), TIMER0
 * as stopwatch, the crystal for an exact baud rate. The clock is in clock.c, the watchdog and what
 * else a chip knows of itself in chip.c. Pins come from the board's pins.h. */
#include "tinyops/port.h"

#include "chip.h"
#include "clock.h"
#include "flash.h"
#include "pins.h"
#include "startup.h"
#include "upstream.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define CLOCK(offset) REGISTER(0x40000000u + (offset))
#define UART(offset) REGISTER(0x40002000u + (offset))
#define TIMER(offset) REGISTER(0x40008000u + (offset))

enum {
  CLOCK_HFCLKSTART = 0x000,
  CLOCK_HFCLKSTARTED = 0x100,

  UART_STARTRX = 0x000,
  UART_STARTTX = 0x008,
  UART_RXDRDY = 0x108,
  UART_TXDRDY = 0x11c,
  UART_INTENSET = 0x304,
  UART_ENABLE = 0x500,
  UART_PSELRTS = 0x508,
  UART_PSELTXD = 0x50c,
  UART_PSELCTS = 0x510,
  UART_PSELRXD = 0x514,
  UART_RXD = 0x518,
  UART_TXD = 0x51c,
  UART_BAUDRATE = 0x524,
  UART_CONFIG = 0x56c,
  UART_IRQ = 2,

  TIMER_START = 0x000,
  TIMER_STOP = 0x004,
  TIMER_CLEAR = 0x00c,
  TIMER_CAPTURE0 = 0x040,
  TIMER_MODE = 0x504,
  TIMER_BITMODE = 0x508,
  TIMER_PRESCALER = 0x510,
  TIMER_CC0 = 0x540,
  TIMER_32_BITS = 3,
  TIMER_HZ = 16000000,

#if defined(TINYOPS_PART)
  TICK_MS = 5, /* a sleep's longest: a part tells its neighbours in time */
#else
  TICK_MS = 500, /* a sleep's longest */
#endif
  SENSOR_TICK_MS = 5, /* the same while a sensor samples */

  GPIO_OUTSET = 0x508,
  GPIO_OUTCLR = 0x50c,
  GPIO_PIN_CNF = 0x700,
  PIN_OUTPUT = 0x3, /* input buffer off: nothing reads the pin */
  PIN_INPUT_PULLED_UP = 0xc
};

#define UART_ENABLED 4u
#define UART_RXDRDY_INTERRUPT (1u << 2)
#if !defined(TINYOPS_BAUD) || TINYOPS_BAUD == 115200
#define UART_BAUD 0x01d7e000u
#elif TINYOPS_BAUD == 1000000 /* a collector's */
#define UART_BAUD 0x10000000u
#else
#error "the register's value for this baud rate is not known"
#endif
#define NOT_CONNECTED 0xffffffffu
#define DEVICE_ID(word) REGISTER(0x10000060u + 4u * (word))
#define EMULATED_ID 0x12345678u /* a word of the number that every micro:bit of QEMU's has */
/* There the twin writes a board's own number, and why it started, elsewhere: into registers that
 * are for customers. */
#define EMULATED_SILICON 0x10001080u
#define SILICON 0x10000060u
#define EMULATED_RESET_REASONS 0x10001088u
#define RESET_REASONS 0x40000400u
#define FLASH_CACHE REGISTER(0x4001e540u) /* nRF52840 only */

static int32_t read_byte(void *context) {
  (void)context;
  if (UART(UART_RXDRDY) == 0) {
    return TINYOPS_PORT_NO_BYTE;
  }
  UART(UART_RXDRDY) = 0; /* before the read: the next byte of the FIFO raises it again */
  return (int32_t)(UART(UART_RXD) & 0xffu);
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    UART(UART_TXDRDY) = 0;
    UART(UART_TXD) = bytes[i];
    while (UART(UART_TXDRDY) == 0) {
    }
  }
}

static void start_ticks(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  tinyops_startup_clear_cycles(port->cycle_bits);
  TIMER(TIMER_STOP) = 1;
  TIMER(TIMER_CLEAR) = 1;
  TIMER(TIMER_START) = 1;
}

static uint32_t ticks(void *context) {
  (void)context;
  TIMER(TIMER_CAPTURE0) = 1;
  return TIMER(TIMER_CC0);
}

static void idle(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  nrf5_clock_wake_after(port->sensor != 0 ? SENSOR_TICK_MS : TICK_MS);
  tinyops_startup_sleep(UART_IRQ);
  nrf5_clock_stop_waking();
  tinyops_startup_forget(NRF5_CLOCK_IRQ);
}

static uint32_t now_ms(void *context) {
  (void)context;
  return nrf5_clock_now_ms();
}

static void feed_watchdog(void *context) {
  (void)context;
  nrf5_watchdog_feed();
}

#if defined(BOARD_LED_GPIO)
/* The LED is lit for every class but the first, which stands for nothing of interest. */
static void show(void *context, uint32_t best, const int8_t *outputs, uint32_t count) {
  (void)context;
  (void)outputs;
  (void)count;
  REGISTER(BOARD_LED_GPIO + (best != 0 ? GPIO_OUTSET : GPIO_OUTCLR)) = 1u << BOARD_LED_PIN;
}

static void open_led(void) {
  REGISTER(BOARD_LED_GPIO + GPIO_PIN_CNF + 4u * BOARD_LED_PIN) = PIN_OUTPUT;
#if defined(BOARD_LED_SINK_GPIO)
  REGISTER(BOARD_LED_SINK_GPIO + GPIO_OUTCLR) = 1u << BOARD_LED_SINK_PIN;
  REGISTER(BOARD_LED_SINK_GPIO + GPIO_PIN_CNF + 4u * BOARD_LED_SINK_PIN) = PIN_OUTPUT;
#endif
}
#endif

#if __ARM_ARCH >= 7
static uint32_t supply_mv(void *context) {
  (void)context;
  return nrf52_supply_mv();
}
#endif

static void open_clock(void) {
  CLOCK(CLOCK_HFCLKSTARTED) = 0;
  CLOCK(CLOCK_HFCLKSTART) = 1;
  while (CLOCK(CLOCK_HFCLKSTARTED) == 0) {
  }
#if __ARM_ARCH >= 7
  FLASH_CACHE = 1;
#endif
}

static void open_uart(void) {
  REGISTER(BOARD_TX_GPIO + GPIO_OUTSET) = 1u << BOARD_TX_PIN; /* an idle line is high */
  REGISTER(BOARD_TX_GPIO + GPIO_PIN_CNF + 4u * BOARD_TX_PIN) = PIN_OUTPUT;
  REGISTER(BOARD_RX_GPIO + GPIO_PIN_CNF + 4u * BOARD_RX_PIN) = PIN_INPUT_PULLED_UP;
  UART(UART_ENABLE) = 0;
  UART(UART_PSELRTS) = NOT_CONNECTED;
  UART(UART_PSELCTS) = NOT_CONNECTED;
  UART(UART_PSELTXD) = BOARD_TX_SELECT;
  UART(UART_PSELRXD) = BOARD_RX_SELECT;
  UART(UART_CONFIG) = 0; /* 8 bits, no parity, no flow control */
  UART(UART_BAUDRATE) = UART_BAUD;
  UART(UART_ENABLE) = UART_ENABLED;
  UART(UART_RXDRDY) = 0;
  UART(UART_STARTTX) = 1;
  UART(UART_STARTRX) = 1;
  UART(UART_INTENSET) = UART_RXDRDY_INTERRUPT;
}

static void open_timer(void) {
  TIMER(TIMER_STOP) = 1;
  TIMER(TIMER_MODE) = 0;
  TIMER(TIMER_BITMODE) = TIMER_32_BITS;
  TIMER(TIMER_PRESCALER) = 0;
}

void tinyops_port_open(tinyops_port *port) {
  open_clock();
  open_uart();
  open_timer();
#if defined(BOARD_LED_GPIO)
  open_led();
#endif
  nrf5_clock_open();
  nrf5_watchdog_start();
  tinyops_startup_wake_by(UART_IRQ);
  tinyops_startup_wake_by(NRF5_CLOCK_IRQ);
  const uint8_t emulated = DEVICE_ID(0) == EMULATED_ID || DEVICE_ID(1) == EMULATED_ID;
  const uint32_t silicon = emulated ? EMULATED_SILICON : SILICON;
  const uint32_t reasons = emulated ? EMULATED_RESET_REASONS : RESET_REASONS;
  *port = (tinyops_port){
      .context = port,
      .read_byte = read_byte,
      .write = write_bytes,
      .start_ticks = start_ticks,
      .ticks = ticks,
      .tick_hz = TIMER_HZ,
      .cycles = tinyops_startup_read_cycles,
      .cycle_bits = tinyops_startup_open_cycles(),
      .emulated = emulated,
      .idle = idle,
      .measure = tinyops_ram_measure,
      .now_ms = now_ms,
      .reset = tinyops_startup_restart,
      .reset_cause = nrf5_take_reset_cause((volatile uint32_t *)(uintptr_t)reasons),
      .feed_watchdog = feed_watchdog,
      .flash = nrf5_flash(),
      .keep = tinyops_ram_keep(),
      .keep_bytes = tinyops_ram_keep_bytes(),
      .silicon_bytes = 8,
      .silicon = {REGISTER(silicon), REGISTER(silicon + 4u)},
  };
#if defined(BOARD_LED_GPIO)
  port->show = show;
#endif
#if __ARM_ARCH >= 7
  port->supply_mv = supply_mv;
#endif
#if defined(TINYOPS_PART)
  port->upstream = nrf5_open_upstream();
#endif
}
