/* The accelerometer of the LSM303AGR. Facts as its data sheet has them, whose text was not at hand:
 * 12 bits at high resolution, of 0.98, 1.95, 3.9 and 11.72 mg by range; a FIFO of 32 readings. */
#include "chips.h"
#include "twi.h"

enum {
  ADDRESS = 0x19,
  WHO_AM_I = 0x0f,
  CONTROL_1 = 0x20,
  CONTROL_4 = 0x23,
  CONTROL_5 = 0x24,
  OUT_X = 0x28,
  FIFO_CONTROL = 0x2e,
  FIFO_SOURCE = 0x2f,
  NEXT_TOO = 0x80, /* in a register's number: the address moves on */

  IS_LSM303AGR = 0x33,
  ALL_AXES = 0x07,
  RATE_SHIFT = 4,
  SLOWEST = 2,            /* in CONTROL_1: 10 readings a second */
  HIGH_RESOLUTION = 0x88, /* and both bytes of a reading are of one moment */
  RANGE_SHIFT = 4,
  FIFO_ON = 0x40,
  FIFO_BYPASS = 0x00, /* empties it */
  FIFO_STREAM = 0x80, /* the oldest gives way */
  FIFO_EMPTY = 0x20,
  FIFO_OVERRUN = 0x40,
  FIFO_READINGS = 32,
  READING_BYTES = 6
};

static int32_t start(const accelerometer_chip *chip, uint32_t range, uint32_t rate) {
  int32_t status = nrf5_twi_put(chip->address, CONTROL_1, 0);
  status |=
      nrf5_twi_put(chip->address, CONTROL_4, (uint8_t)(HIGH_RESOLUTION | range << RANGE_SHIFT));
  status |= nrf5_twi_put(chip->address, CONTROL_5, FIFO_ON);
  status |= nrf5_twi_put(chip->address, FIFO_CONTROL, FIFO_BYPASS);
  status |= nrf5_twi_put(chip->address, FIFO_CONTROL, FIFO_STREAM);
  return status | nrf5_twi_put(chip->address, CONTROL_1,
                               (uint8_t)((SLOWEST + rate) << RATE_SHIFT | ALL_AXES));
}

static int32_t axis(const uint8_t *bytes) { return (int16_t)(bytes[0] | bytes[1] << 8); }

static int32_t read(const accelerometer_chip *chip, int32_t *axes) {
  uint8_t source, bytes[READING_BYTES];
  if (nrf5_twi_get(chip->address, FIFO_SOURCE, &source, 1) != 0) {
    return ACCELEROMETER_FAILED;
  }
  if ((source & FIFO_EMPTY) != 0) {
    return 0;
  }
  if (nrf5_twi_get(chip->address, OUT_X | NEXT_TOO, bytes, sizeof(bytes)) != 0) {
    return ACCELEROMETER_FAILED;
  }
  axes[0] = -axis(bytes + 2);
  axes[1] = -axis(bytes);
  axes[2] = axis(bytes + 4);
  return (source & FIFO_OVERRUN) != 0 ? CHIP_LOST : 1;
}

const accelerometer_chip nrf5_lsm303agr = {
    .address = ADDRESS,
    .who_register = WHO_AM_I,
    .who_value = IS_LSM303AGR,
    .kept = FIFO_READINGS,
    .full_mm_s2 = {19682, 39164, 78327, 235384}, /* 2, 4, 8, 16 g: 2048 steps each */
    .rates_hz = {10, 25, 50, 100, 200, 400},
    .start = start,
    .read = read,
};
