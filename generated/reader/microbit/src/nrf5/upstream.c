/* UARTE1 of an nRF52. It receives into memory by itself: round and round into one ring, for RXD.PTR
 * stays where it is and ENDRX starts it again. How far it is TIMER2 tells, which PPI channel 0
 * makes count RXDRDY. So nothing is lost while the core computes, unless more than a ring comes.
 *
 * Facts: nRF52840 and nRF52833 product specifications: UARTE, PPI, TIMER. */
#include "upstream.h"

#include "pins.h"

#if defined(TINYOPS_PART) && defined(BOARD_UPSTREAM_RX_PIN) && __ARM_ARCH >= 7

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define UART(offset) REGISTER(0x40028000u + (offset))
#define COUNTER(offset) REGISTER(0x4000a000u + (offset))
#define PPI(offset) REGISTER(0x4001f000u + (offset))

enum {
  STARTRX = 0x000,
  STARTTX = 0x008,
  RXDRDY = 0x108,
  ENDTX = 0x120,
  SHORTS = 0x200,
  ENDRX_STARTS_RX = 1 << 5,
  ENABLE = 0x500,
  ENABLED = 8,
  PSEL_RTS = 0x508,
  PSEL_TXD = 0x50c,
  PSEL_CTS = 0x510,
  PSEL_RXD = 0x514,
  BAUDRATE = 0x524,
  RXD_PTR = 0x534,
  RXD_MAXCNT = 0x538,
  TXD_PTR = 0x544,
  TXD_MAXCNT = 0x548,
  CONFIG = 0x56c,

  TIMER_START = 0x000,
  TIMER_COUNT = 0x008,
  TIMER_CLEAR = 0x00c,
  TIMER_CAPTURE0 = 0x040,
  TIMER_MODE = 0x504,
  TIMER_IS_COUNTER = 1,
  TIMER_BITMODE = 0x508,
  TIMER_32_BITS = 3,
  TIMER_CC0 = 0x540,
  TIMER_CC1 = 0x544, /* nothing else uses it: how many bytes were taken */

  PPI_ENABLE = 0x504,
  PPI_EVENT0 = 0x510,
  PPI_TASK0 = 0x514,

  GPIO_OUTSET = 0x508,
  GPIO_PIN_CNF = 0x700,
  PIN_OUTPUT = 0x3,
  PIN_INPUT_PULLED_UP = 0xc,

  RING_BYTES = 512,
  PIECE_BYTES = 32 /* sent at once: what lies in flash cannot be sent from there */
};
#if !defined(TINYOPS_UPSTREAM_BAUD) || TINYOPS_UPSTREAM_BAUD == 115200
#define BAUD 0x01d60000u
#elif TINYOPS_UPSTREAM_BAUD == 1000000
#define BAUD 0x10000000u
#else
#error "the register's value for this baud rate is not known"
#endif
#define NOT_CONNECTED 0xffffffffu

static volatile uint8_t ring[RING_BYTES]; /* the hardware's: it writes there at any time */

static int32_t read_byte(void *context) {
  (void)context;
  COUNTER(TIMER_CAPTURE0) = 1;
  const uint32_t came = COUNTER(TIMER_CC0), taken = COUNTER(TIMER_CC1);
  if (came == taken) {
    return TINYOPS_PORT_NO_BYTE;
  }
  COUNTER(TIMER_CC1) = taken + 1u;
  return ring[taken % RING_BYTES];
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  volatile uint8_t piece[PIECE_BYTES];
  (void)context;
  while (count > 0) {
    const uint32_t now = count < PIECE_BYTES ? count : PIECE_BYTES;
    for (uint32_t i = 0; i < now; i++) {
      piece[i] = bytes[i];
    }
    UART(TXD_PTR) = (uint32_t)(uintptr_t)piece;
    UART(TXD_MAXCNT) = now;
    UART(ENDTX) = 0;
    UART(STARTTX) = 1;
    while (UART(ENDTX) == 0) {
    }
    bytes += now;
    count -= now;
  }
}

static void open_counter(void) {
  COUNTER(TIMER_MODE) = TIMER_IS_COUNTER;
  COUNTER(TIMER_BITMODE) = TIMER_32_BITS;
  COUNTER(TIMER_CLEAR) = 1;
  COUNTER(TIMER_CC1) = 0;
  COUNTER(TIMER_START) = 1;
  PPI(PPI_EVENT0) = 0x40028000u + RXDRDY;
  PPI(PPI_TASK0) = 0x4000a000u + TIMER_COUNT;
  PPI(PPI_ENABLE) = 1;
}

const tinyops_port_stream *nrf5_open_upstream(void) {
  static const tinyops_port_stream upstream = {read_byte, write_bytes};
  REGISTER(BOARD_UPSTREAM_TX_GPIO + GPIO_OUTSET) = 1u << BOARD_UPSTREAM_TX_PIN;
  REGISTER(BOARD_UPSTREAM_TX_GPIO + GPIO_PIN_CNF + 4u * BOARD_UPSTREAM_TX_PIN) = PIN_OUTPUT;
  REGISTER(BOARD_UPSTREAM_RX_GPIO + GPIO_PIN_CNF + 4u * BOARD_UPSTREAM_RX_PIN) =
      PIN_INPUT_PULLED_UP;
  open_counter();
  UART(ENABLE) = 0;
  UART(PSEL_RTS) = NOT_CONNECTED;
  UART(PSEL_CTS) = NOT_CONNECTED;
  UART(PSEL_TXD) = BOARD_UPSTREAM_TX_SELECT;
  UART(PSEL_RXD) = BOARD_UPSTREAM_RX_SELECT;
  UART(CONFIG) = 0;
  UART(BAUDRATE) = BAUD;
  UART(SHORTS) = ENDRX_STARTS_RX;
  UART(ENABLE) = ENABLED;
  UART(RXD_PTR) = (uint32_t)(uintptr_t)ring;
  UART(RXD_MAXCNT) = RING_BYTES;
  UART(STARTRX) = 1;
  return &upstream;
}

#else

const tinyops_port_stream *nrf5_open_upstream(void) { return 0; }

#endif
