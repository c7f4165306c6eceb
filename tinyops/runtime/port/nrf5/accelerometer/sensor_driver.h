/* The accelerometer of the BBC micro:bit: an MMA8653FC or an LSM303AGR, whichever answers.
 *
 * Readings come at a rate of the chip's and leave as the mean of as many as make the rate that was
 * asked for. Axes are the same for both chips: those that the boards' own library (codal-core)
 * makes of them before it turns them for people. */
#ifndef TINYOPS_SENSOR_DRIVER_H
#define TINYOPS_SENSOR_DRIVER_H

#include "sensor_signal.h"

enum {
  ACCELEROMETER_AXES = 3,
  ACCELEROMETER_ABSENT = -1, /* neither chip answers */
  ACCELEROMETER_RATE = -2,   /* no rate of the chip's is a multiple */
  ACCELEROMETER_FRAME = -3,  /* not whole samples */
  ACCELEROMETER_FAILED = -4, /* it does not answer any more */
  ACCELEROMETER_RANGE = -5   /* the signal's full scale is beyond its largest */
};

typedef struct accelerometer_chip accelerometer_chip;

typedef struct {
  tinyops_port_sensor calls; /* the first: a port's `sensor` leads here */
  const tinyops_sensor_signal *signal;
  const accelerometer_chip *chip;
  uint32_t odr_hz, divide;             /* the chip's rate; readings that make a sample */
  uint32_t factor[ACCELEROMETER_AXES]; /* counts for 65536 of a reading, by channel */
  int32_t sums[ACCELEROMETER_AXES];
  uint32_t readings; /* in `sums` */
  uint32_t filled;   /* values of the frame in the making */
  uint32_t frame_samples;
  uint32_t emptied_ms, taken; /* when the chip had none left, and readings taken since */
  uint32_t lost;              /* readings, since start */
} tinyops_sensor_driver;

/* Gives the port this sensor. Both and the signal outlive it. */
void tinyops_sensor_attach(tinyops_sensor_driver *driver, const tinyops_sensor_signal *signal,
                           tinyops_port *port);

#endif
