/* QEMU's mps2-an386, -an500 and -an505, the twins of Cortex-M4, M7 and M33 boards that QEMU does
 * not know: CMSDK UART0 and TIMER0, on a Cortex-M33 as its secure side sees them. */
#include "tinyops/port.h"

#include "startup.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))

#if __ARM_ARCH >= 8
#define TIMER(offset) REGISTER(0x50000000u + (offset))
#define UART(offset) REGISTER(0x50200000u + (offset))
enum { TIMER_HZ = 20000000, UART_RX_IRQ = 32 };
#else
#define TIMER(offset) REGISTER(0x40000000u + (offset))
#define UART(offset) REGISTER(0x40004000u + (offset))
enum { TIMER_HZ = 25000000, UART_RX_IRQ = 0 };
#endif

enum {
  TIMER_CONTROL = 0x00,
  TIMER_VALUE = 0x04,
  TIMER_RELOAD = 0x08,

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

static void start_ticks(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  tinyops_startup_clear_cycles(port->cycle_bits);
  TIMER(TIMER_VALUE) = UINT32_MAX; /* counts down from here, starting now */
}

static uint32_t ticks(void *context) {
  (void)context;
  return UINT32_MAX - TIMER(TIMER_VALUE);
}

static uint32_t cycles(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  return tinyops_startup_cycles(port->cycle_bits);
}

static void idle(void *context) {
  (void)context;
  tinyops_startup_sleep(UART_RX_IRQ);
}

void tinyops_port_open(tinyops_port *port) {
  UART(UART_DIVIDER) = 16; /* the least: a virtual line needs no time */
  UART(UART_CONTROL) = UART_TX_ON | UART_RX_ON | UART_RX_INTERRUPT_ON;
  TIMER(TIMER_RELOAD) = UINT32_MAX;
  TIMER(TIMER_CONTROL) = 1;
  tinyops_startup_wake_by(UART_RX_IRQ);
  *port = (tinyops_port){
      .context = port,
      .read_byte = read_byte,
      .write = write_bytes,
      .start_ticks = start_ticks,
      .ticks = ticks,
      .tick_hz = TIMER_HZ,
      .cycles = cycles,
      .cycle_bits = tinyops_startup_open_cycles(),
      .emulated = 1, /* nobody has this board */
      .idle = idle,
      .measure = tinyops_startup_measure,
  };
}
