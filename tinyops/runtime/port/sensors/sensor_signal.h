/* What a fleet's or a dataset's signal is to a sensor that a bare-metal port reads by itself. A
 * driver is a folder below the port's, with a `sensor_driver.h` that defines
 *
 *   tinyops_sensor_driver   its memory, which begins with the calls that the port hands on
 *   tinyops_sensor_attach   gives a port that sensor
 */
#ifndef TINYOPS_SENSOR_SIGNAL_H
#define TINYOPS_SENSOR_SIGNAL_H

#include "tinyops/port.h"

typedef struct {
  uint32_t channels;   /* values of a sample; a frame is one sample or more */
  const uint8_t *from; /* which of the sensor's channels each is, as the board's file orders them */
  const uint32_t *per_milli; /* counts for a thousandth of each channel's unit, times 65536 */
} tinyops_sensor_signal;

#endif
