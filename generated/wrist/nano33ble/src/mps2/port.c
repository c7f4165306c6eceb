/* QEMU's mps2-an386, -an500 and -an505, the twins of Cortex-M4, M7 and M33 boards that QEMU does
 * not know: CMSDK UART0, TIMER0 as stopwatch, TIMER1 to end a sleep, the watchdog, which warns by
 * NMI, and the FPGA's counter as clock; on a Cortex-M33 as its secure side sees them. */
#include "tinyops/port.h"

#include "call.h"
#include "startup.h"
#include "watchdog.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#if __ARM_ARCH >= 8
#define TIMER(offset) REGISTER(0x50000000u + (offset))
#define TICK(offset) REGISTER(0x50001000u + (offset))
#define FPGA(offset) REGISTER(0x50302000u + (offset))
#define UART(offset) REGISTER(0x50200000u + (offset))
#define UPSTREAM(offset) REGISTER(0x50201000u + (offset))
enum { TIMER_HZ = 20000000, UART_RX_IRQ = 32, UPSTREAM_RX_IRQ = 34, TICK_IRQ = 4 };
#else
#define TIMER(offset) REGISTER(0x40000000u + (offset))
#define TICK(offset) REGISTER(0x40001000u + (offset))
#define FPGA(offset) REGISTER(0x40028000u + (offset))
#define UART(offset) REGISTER(0x40004000u + (offset))
#define UPSTREAM(offset) REGISTER(0x40005000u + (offset))
enum { TIMER_HZ = 25000000, UART_RX_IRQ = 0, UPSTREAM_RX_IRQ = 2, TICK_IRQ = 9 };
#endif

/* A sleep's longest. */
#ifndef TINYOPS_IDLE_MS
#if defined(TINYOPS_PART) /* which tells its neighbours in time */
#define TINYOPS_IDLE_MS 5
#else
#define TINYOPS_IDLE_MS 500
#endif
#endif

enum {
  TIMER_CONTROL = 0x00,
  TIMER_VALUE = 0x04,
  TIMER_RELOAD = 0x08,
  TIMER_INTERRUPT = 0x0c,
  TIMER_ON = 1,
  TIMER_INTERRUPT_ON = 8,
  SENSOR_TICK_MS = 5, /* a sleep's longest while a sensor samples */

  FPGA_LEDS = 0x00,
  FPGA_COUNTER = 0x18,
  FPGA_PRESCALE = 0x1c,
  COUNTS_MS = TIMER_HZ / 1000 - 1,

  UART_DATA = 0x00,
  UART_STATE = 0x04,
  UART_CONTROL = 0x08,
  UART_INTERRUPT = 0x0c,
  UART_DIVIDER = 0x10
};

#define UART_TX_FULL 1u
#define UART_RX_FULL 2u
#define UART_TX_ON 1u
#define UART_RX_ON 2u
#define UART_RX_INTERRUPT_ON 8u
#define UART_RX_INTERRUPT 2u

static int32_t read_byte(void *context) {
  (void)context;
  if ((UART(UART_STATE) & UART_RX_FULL) == 0) {
    return TINYOPS_PORT_NO_BYTE;
  }
  UART(UART_INTERRUPT) = UART_RX_INTERRUPT;
  return (int32_t)(UART(UART_DATA) & 0xffu);
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    while ((UART(UART_STATE) & UART_TX_FULL) != 0) {
    }
    UART(UART_DATA) = bytes[i];
  }
}

#if defined(TINYOPS_PART) /* UART1 leads to the part before */
static int32_t read_upstream(void *context) {
  (void)context;
  if ((UPSTREAM(UART_STATE) & UART_RX_FULL) == 0) {
    return TINYOPS_PORT_NO_BYTE;
  }
  UPSTREAM(UART_INTERRUPT) = UART_RX_INTERRUPT;
  return (int32_t)(UPSTREAM(UART_DATA) & 0xffu);
}

static void write_upstream(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    while ((UPSTREAM(UART_STATE) & UART_TX_FULL) != 0) {
    }
    UPSTREAM(UART_DATA) = bytes[i];
  }
}

static const tinyops_port_stream *open_upstream(void) {
  static const tinyops_port_stream upstream = {read_upstream, write_upstream};
  UPSTREAM(UART_DIVIDER) = 16;
  UPSTREAM(UART_CONTROL) = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT_ON;
  tinyops_startup_wake_by(UPSTREAM_RX_IRQ);
  return &upstream;
}
#endif

static void start_ticks(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  tinyops_startup_clear_cycles(port->cycle_bits);
  TIMER(TIMER_VALUE) = UINT32_MAX; /* counts down from here, starting now */
}

static uint32_t ticks(void *context) {
  (void)context;
  return UINT32_MAX - TIMER(TIMER_VALUE);
}

static void idle(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  const uint32_t ms = port->sensor != 0 ? SENSOR_TICK_MS : TINYOPS_IDLE_MS;
  TICK(TIMER_VALUE) = ms * (TIMER_HZ / 1000);
  TICK(TIMER_CONTROL) = TIMER_ON | TIMER_INTERRUPT_ON;
  tinyops_startup_sleep(UART_RX_IRQ);
  TICK(TIMER_CONTROL) = 0;
  TICK(TIMER_INTERRUPT) = 1;
  tinyops_startup_forget(TICK_IRQ);
#if defined(TINYOPS_PART)
  tinyops_startup_forget(UPSTREAM_RX_IRQ);
#endif
}

static uint32_t now_ms(void *context) {
  (void)context;
  return FPGA(FPGA_COUNTER);
}

static void feed_watchdog(void *context) {
  (void)context;
  mps2_watchdog_feed();
}

/* The LED is lit for every class but the first, which stands for nothing of interest. */
static void show(void *context, uint32_t best, const int8_t *outputs, uint32_t count) {
  (void)context;
  (void)outputs;
  (void)count;
  FPGA(FPGA_LEDS) = best != 0;
}

/* Opened again after a fault, it goes on. */
static void open_clock(void) {
  if (FPGA(FPGA_PRESCALE) != COUNTS_MS) {
    FPGA(FPGA_PRESCALE) = COUNTS_MS;
    FPGA(FPGA_COUNTER) = 0;
  }
}

void tinyops_port_open(tinyops_port *port) {
  UART(UART_DIVIDER) = 16; /* the least: a virtual line needs no time */
  UART(UART_CONTROL) = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT_ON;
  TIMER(TIMER_RELOAD) = UINT32_MAX;
  TIMER(TIMER_CONTROL) = 1;
  open_clock();
  mps2_watchdog_start();
  tinyops_startup_wake_by(UART_RX_IRQ);
  tinyops_startup_wake_by(TICK_IRQ);
  *port = (tinyops_port){
      .context = port,
      .read_byte = read_byte,
      .write = write_bytes,
      .start_ticks = start_ticks,
      .ticks = ticks,
      .tick_hz = TIMER_HZ,
      .cycles = tinyops_startup_read_cycles,
      .cycle_bits = tinyops_startup_open_cycles(),
      .emulated = 1, /* nobody has this board */
      .idle = idle,
      .measure = tinyops_ram_measure,
      .now_ms = now_ms,
      .reset = tinyops_startup_restart,
      .reset_cause = TINYOPS_RESET_UNKNOWN, /* no register tells */
      .feed_watchdog = feed_watchdog,
      .flash = twin_flash(),
      .sensor = twin_sensor(),
      .show = show,
      .keep = tinyops_ram_keep(),
      .keep_bytes = tinyops_ram_keep_bytes(),
  };
#if defined(TINYOPS_PART)
  port->upstream = open_upstream();
#endif
  port->silicon_bytes = twin_read_number(port->silicon);
}
