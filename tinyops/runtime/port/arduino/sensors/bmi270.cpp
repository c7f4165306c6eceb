/* The BMI270 of the Nano 33 BLE Sense, revision 2: 4 g, 2000 degrees a second, 99.84 readings a
 * second. Its library leaves the FIFO off: an inference that takes longer than a reading loses
 * some. */
#include "library.h"
TINYOPS_LIBRARY_BEGIN
#include <Arduino_BMI270_BMM150.h>
TINYOPS_LIBRARY_END

#define IMU_SLACK 1u

static int open_imu(void) { return IMU.begin(); }

#include "imu.h"
