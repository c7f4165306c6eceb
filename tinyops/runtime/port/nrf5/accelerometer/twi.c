/* Facts: nRF51 Series Reference Manual 3.0, 27 (TWI), and nRF52833 Product Specification, TWI,
 * which has the same registers; an anomaly of the nRF51822, its number and pause unsourced: the
 * interface may hang when it is resumed within 20 microseconds of a byte. */
#include "twi.h"

#include "pins.h"
#include "registers.h"

#define TWI(offset) (0x40003000u + (offset))

enum {
  START_RX = 0x000,
  START_TX = 0x008,
  STOP = 0x014,
  RESUME = 0x020,
  STOPPED = 0x104,
  RX_READY = 0x108,
  TX_SENT = 0x11c,
  FAILED = 0x124,
  SHORTCUTS = 0x200,
  ERROR_SOURCE = 0x4c4,
  ENABLE = 0x500,
  SELECT_SCL = 0x508,
  SELECT_SDA = 0x50c,
  RX = 0x518,
  TX = 0x51c,
  FREQUENCY = 0x524,
  ADDRESS = 0x588,

  ON = 5,
  SUSPEND_AT_BYTE = 1,
  STOP_AT_BYTE = 2,
  ALL_ERRORS = 7,

  GPIO_OUT_SET = 0x508,
  GPIO_OUT_CLEAR = 0x50c,
  GPIO_IN = 0x510,
  GPIO_DIR_SET = 0x518,
  GPIO_DIR_CLEAR = 0x51c,
  GPIO_PIN_CONFIG = 0x700,
  PULLED_UP_OPEN_DRAIN = 0x60c, /* input, connected; drives zeros only */

  PATIENCE = 4000, /* looks at an event: 20 bytes' time or more */
  BITS_OF_AN_ANSWER = 9,
  HALF_BIT = 40 /* turns of a loop: 10 microseconds or more */
};
#define FREQUENCY_400_KHZ 0x06680000u

static void pause(uint32_t turns) {
  for (volatile uint32_t left = turns; left > 0; left = left - 1u) {
  }
}

static void switch_on(void) {
  nrf5_write(TWI(ENABLE), 0);
  nrf5_write(TWI(SELECT_SCL), BOARD_SCL_SELECT);
  nrf5_write(TWI(SELECT_SDA), BOARD_SDA_SELECT);
  nrf5_write(TWI(FREQUENCY), FREQUENCY_400_KHZ);
  nrf5_write(TWI(ENABLE), ON);
}

/* A chip that was cut off in a byte of zeros holds the line: it lets go within nine clocks. */
static void free_bus(void) {
  const uint32_t scl = 1u << BOARD_SCL_PIN, sda = 1u << BOARD_SDA_PIN;
  nrf5_write(BOARD_SCL_GPIO + GPIO_OUT_SET, scl);
  nrf5_write(BOARD_SCL_GPIO + GPIO_DIR_SET, scl);
  for (uint32_t i = 0; i < BITS_OF_AN_ANSWER; i++) {
    if ((nrf5_read(BOARD_SDA_GPIO + GPIO_IN) & sda) != 0) {
      break;
    }
    nrf5_write(BOARD_SCL_GPIO + GPIO_OUT_CLEAR, scl);
    pause(HALF_BIT);
    nrf5_write(BOARD_SCL_GPIO + GPIO_OUT_SET, scl);
    pause(HALF_BIT);
  }
  nrf5_write(BOARD_SCL_GPIO + GPIO_DIR_CLEAR, scl);
}

void nrf5_twi_open(void) {
  nrf5_write(BOARD_SCL_GPIO + GPIO_PIN_CONFIG + 4u * BOARD_SCL_PIN, PULLED_UP_OPEN_DRAIN);
  nrf5_write(BOARD_SDA_GPIO + GPIO_PIN_CONFIG + 4u * BOARD_SDA_PIN, PULLED_UP_OPEN_DRAIN);
  free_bus();
  switch_on();
}

static int32_t wait_for(uint32_t event) {
  for (uint32_t i = 0; i < PATIENCE; i++) {
    if (nrf5_read(TWI(FAILED)) != 0) {
      break;
    }
    if (nrf5_read(TWI(event)) != 0) {
      nrf5_write(TWI(event), 0);
      return 0;
    }
  }
  return NRF5_TWI_SILENT;
}

/* Ends a transfer that failed, or that hangs: then only switching off and on helps. */
static int32_t give_up(void) {
  nrf5_write(TWI(FAILED), 0);
  nrf5_write(TWI(ERROR_SOURCE), ALL_ERRORS);
  nrf5_write(TWI(STOP), 1);
  (void)wait_for(STOPPED);
  switch_on();
  return NRF5_TWI_SILENT;
}

/* After a start, one byte. */
static int32_t send(uint8_t byte) {
  nrf5_write(TWI(TX), byte);
  return wait_for(TX_SENT);
}

static void begin(uint8_t address) {
  nrf5_write(TWI(STOPPED), 0);
  nrf5_write(TWI(TX_SENT), 0);
  nrf5_write(TWI(RX_READY), 0);
  nrf5_write(TWI(FAILED), 0);
  nrf5_write(TWI(SHORTCUTS), 0);
  nrf5_write(TWI(ADDRESS), address);
  nrf5_write(TWI(START_TX), 1);
}

int32_t nrf5_twi_put(uint8_t address, uint8_t at, uint8_t value) {
  begin(address);
  if (send(at) != 0 || send(value) != 0) {
    return give_up();
  }
  nrf5_write(TWI(STOP), 1);
  return wait_for(STOPPED) == 0 ? 0 : give_up();
}

/* The interface acknowledges each byte but the last: it must know before that one comes. */
static int32_t receive(uint8_t *bytes, uint32_t count) {
  nrf5_write(TWI(SHORTCUTS), count > 1 ? SUSPEND_AT_BYTE : STOP_AT_BYTE);
  nrf5_write(TWI(START_RX), 1);
  for (uint32_t i = 0; i < count; i++) {
    if (wait_for(RX_READY) != 0) {
      return NRF5_TWI_SILENT;
    }
    bytes[i] = (uint8_t)nrf5_read(TWI(RX));
    if (i + 2u == count) {
      nrf5_write(TWI(SHORTCUTS), STOP_AT_BYTE);
    }
    if (i + 1u < count) {
      pause(2 * HALF_BIT);
      nrf5_write(TWI(RESUME), 1);
    }
  }
  return wait_for(STOPPED);
}

int32_t nrf5_twi_get(uint8_t address, uint8_t at, uint8_t *bytes, uint32_t count) {
  begin(address);
  return send(at) == 0 && receive(bytes, count) == 0 ? 0 : give_up();
}
