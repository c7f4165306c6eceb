/* The LSM9DS1 of the Nano 33 BLE Sense: 4 g, 2000 degrees a second, 119 readings a second. */
#include "library.h"
TINYOPS_LIBRARY_BEGIN
#include <Arduino_LSM9DS1.h>
TINYOPS_LIBRARY_END

#define IMU_SLACK 32u /* its FIFO */

static int open_imu(void) {
  const int found = IMU.begin();
  if (found != 0) {
    IMU.setContinuousMode(); /* the FIFO bridges a long inference */
  }
  return found;
}

#include "imu.h"
