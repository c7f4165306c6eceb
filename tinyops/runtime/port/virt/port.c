/* QEMU's riscv32 machine `virt`, the twin of RISC-V boards: NS16550 UART, CLINT, PLIC, test device.
 */
#include "tinyops/port.h"

#include "call.h"
#include "startup.h"
#include "tinyops/health.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART(offset) (*(volatile uint8_t *)(0x10000000u + (offset)))
#define TEST_DEVICE REGISTER(0x00100000u)
#define TEST_RESET 0x7777u
#define ALARM_LOW REGISTER(0x02004000u)
#define ALARM_HIGH REGISTER(0x02004004u)
#define CLOCK_LOW REGISTER(0x0200bff8u)
#define CLOCK_HIGH REGISTER(0x0200bffcu)
#define PLIC_PRIORITY(source) REGISTER(0x0c000000u + 4u * (source))
#define PLIC_ENABLE REGISTER(0x0c002000u)
#define PLIC_THRESHOLD REGISTER(0x0c200000u)
#define PLIC_CLAIM REGISTER(0x0c200004u)

enum {
  UART_DATA = 0,
  UART_INTERRUPTS = 1,
  UART_FORMAT = 3,
  UART_STATE = 5,
  UART_SOURCE = 10, /* of its interrupt */
  CLOCK_A_MS = 10000,
  SENSOR_TICK_MS = 5 /* a sleep's longest while a sensor samples */
};

#define UART_RX_INTERRUPT_ON 1u
#define UART_8_BITS 3u
#define UART_RX_FULL 0x01u
#define UART_TX_EMPTY 0x20u

static int32_t read_byte(void *context) {
  (void)context;
  return (UART(UART_STATE) & UART_RX_FULL) == 0 ? TINYOPS_PORT_NO_BYTE : UART(UART_DATA);
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    while ((UART(UART_STATE) & UART_TX_EMPTY) == 0) {
    }
    UART(UART_DATA) = bytes[i];
  }
}

static void start_ticks(void *context) {
  (void)context;
  tinyops_startup_clear_counters();
}

static uint32_t ticks(void *context) {
  (void)context;
  return tinyops_startup_instructions();
}

static uint32_t cycles(void *context) {
  (void)context;
  return tinyops_startup_cycles();
}

static uint64_t now(void) {
  uint32_t high, low;
  do {
    high = CLOCK_HIGH;
    low = CLOCK_LOW;
  } while (high != CLOCK_HIGH);
  return (uint64_t)high << 32 | low;
}

/* The high word first set to what never comes: between two stores there is no third time. */
static void wake_after(uint32_t ms) {
  const uint64_t at = now() + (uint64_t)ms * CLOCK_A_MS;
  ALARM_HIGH = UINT32_MAX;
  ALARM_LOW = (uint32_t)at;
  ALARM_HIGH = (uint32_t)(at >> 32);
}

static void idle(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  if (port->sensor != 0) {
    wake_after(SENSOR_TICK_MS);
  }
  tinyops_startup_sleep();
  uint32_t source = PLIC_CLAIM;
  if (source != 0) {
    PLIC_CLAIM = source; /* done: nobody but a sleep waits for it */
  }
}

static uint32_t now_ms(void *context) {
  (void)context;
  return (uint32_t)(now() / CLOCK_A_MS);
}

void tinyops_startup_restart(void) {
  TEST_DEVICE = TEST_RESET;
  for (;;) {
  }
}

static void reset(void *context) {
  tinyops_kept_announce((const tinyops_port *)context, TINYOPS_RESET_SOFTWARE);
  tinyops_startup_restart();
}

/* The UART's FIFO stays off: switching it on throws away what has already come. */
void tinyops_port_open(tinyops_port *port) {
  UART(UART_FORMAT) = UART_8_BITS;
  UART(UART_INTERRUPTS) = UART_RX_INTERRUPT_ON;
  PLIC_PRIORITY(UART_SOURCE) = 1;
  PLIC_THRESHOLD = 0;
  PLIC_ENABLE = 1u << UART_SOURCE;
  ALARM_HIGH = UINT32_MAX; /* never */
  tinyops_startup_wake();
  *port = (tinyops_port){
      .context = port,
      .read_byte = read_byte,
      .write = write_bytes,
      .start_ticks = start_ticks,
      .ticks = ticks,
      .tick_hz = 0, /* instructions */
      .cycles = cycles,
      .cycle_bits = 32,
      .emulated = 1, /* nobody has this board */
      .idle = idle,
      .measure = tinyops_ram_measure,
      .now_ms = now_ms,
      .reset = reset,
      .reset_cause = TINYOPS_RESET_UNKNOWN, /* what was announced is all there is */
      .keep = tinyops_ram_keep(),
      .keep_bytes = tinyops_ram_keep_bytes(),
      .flash = twin_flash(),
      .sensor = twin_sensor(),
  };
  port->silicon_bytes = twin_read_number(port->silicon);
}
