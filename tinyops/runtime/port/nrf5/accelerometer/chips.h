/* What the two accelerometers have in common. A reading is left-justified in 16 bits. */
#ifndef TINYOPS_PORT_NRF5_CHIPS_H
#define TINYOPS_PORT_NRF5_CHIPS_H

#include "sensor_driver.h"

enum { CHIP_RANGES = 4, CHIP_RATES = 6, CHIP_LOST = 2 };

struct accelerometer_chip {
  uint8_t address, who_register, who_value;
  uint8_t kept; /* readings that it keeps until they are read */
  /* What a reading of 32768 is, in mm/s2, by range; 0 behind the last. */
  uint32_t full_mm_s2[CHIP_RANGES];
  uint16_t rates_hz[CHIP_RATES]; /* ascending; 0 behind the last */
  /* Starts it. Returns 0 or negative. */
  int32_t (*start)(const accelerometer_chip *chip, uint32_t range, uint32_t rate);
  /* One reading, in the board's axes. Returns 1, CHIP_LOST when older ones were lost before it, 0
   * when there is none, or negative. */
  int32_t (*read)(const accelerometer_chip *chip, int32_t *axes);
};

extern const accelerometer_chip nrf5_mma8653;
extern const accelerometer_chip nrf5_lsm303agr;

#endif
