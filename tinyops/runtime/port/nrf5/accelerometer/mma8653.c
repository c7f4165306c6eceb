/* The MMA8653FC. Facts as its data sheet has them, whose text was not at hand:
 * 10 bits, of which 512 are the range; it keeps one reading, and says when it overwrote another. */
#include "chips.h"
#include "twi.h"

enum {
  ADDRESS = 0x1d,
  STATUS = 0x00, /* followed by X, Y and Z, high byte first */
  WHO_AM_I = 0x0d,
  RANGE = 0x0e,
  CONTROL_1 = 0x2a,
  CONTROL_2 = 0x2b,

  IS_MMA8653 = 0x5a,
  NEW_DATA = 0x08,
  OVERWRITTEN = 0x80,
  ACTIVE = 0x01,
  SLOWEST = 0x20, /* CONTROL_1 for 50 readings a second; each step of 8 less doubles them */
  RATE_STEP = 0x08,
  HIGH_RESOLUTION = 0x02,
  ANSWER_BYTES = 7
};

static int32_t start(const accelerometer_chip *chip, uint32_t range, uint32_t rate) {
  const uint8_t control = (uint8_t)(SLOWEST - rate * RATE_STEP);
  int32_t status = nrf5_twi_put(chip->address, CONTROL_1, 0); /* settings change at rest only */
  status |= nrf5_twi_put(chip->address, CONTROL_2, HIGH_RESOLUTION);
  status |= nrf5_twi_put(chip->address, RANGE, (uint8_t)range);
  return status | nrf5_twi_put(chip->address, CONTROL_1, (uint8_t)(control | ACTIVE));
}

static int32_t read(const accelerometer_chip *chip, int32_t *axes) {
  uint8_t bytes[ANSWER_BYTES];
  if (nrf5_twi_get(chip->address, STATUS, bytes, 1) != 0) {
    return ACCELEROMETER_FAILED;
  }
  if ((bytes[0] & NEW_DATA) == 0) {
    return 0;
  }
  if (nrf5_twi_get(chip->address, STATUS, bytes, sizeof(bytes)) != 0) {
    return ACCELEROMETER_FAILED;
  }
  for (uint32_t i = 0; i < ACCELEROMETER_AXES; i++) {
    axes[i] = (int16_t)(bytes[1 + 2 * i] << 8 | bytes[2 + 2 * i]);
  }
  return (bytes[0] & OVERWRITTEN) != 0 ? CHIP_LOST : 1;
}

const accelerometer_chip nrf5_mma8653 = {
    .address = ADDRESS,
    .who_register = WHO_AM_I,
    .who_value = IS_MMA8653,
    .kept = 1,
    .full_mm_s2 = {19613, 39227, 78453}, /* 2, 4, 8 g */
    .rates_hz = {50, 100, 200, 400, 800},
    .start = start,
    .read = read,
};
