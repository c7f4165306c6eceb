/* A sensor that the Arduino port reads through its maker's library: one file of this folder
 * implements it for one sensor, and a firmware has at most one of them. */
#ifndef TINYOPS_ARDUINO_SENSOR_H
#define TINYOPS_ARDUINO_SENSOR_H

#include "tinyops/port.h"

/* What the contract calls a sample, in terms of the sensor's. A frame is one sample or more. */
typedef struct {
  uint32_t channels;   /* values of a sample */
  const uint8_t *from; /* which of the sensor's channels each is, as the board's file orders them */
  const float *counts; /* int16 counts for one unit of each: 32768 / full_scale */
} tinyops_arduino_signal;

/* The sensor; `signal` must outlive it. Its `poll` may write parts of a frame to `values` before it
 * returns 1, and wants the same memory for the rest: only frames without a gap are returned. */
const tinyops_port_sensor *tinyops_arduino_sensor(const tinyops_arduino_signal *signal);

/* `value` counts, rounded half away from zero and saturated; 0 for NaN. */
static inline int16_t tinyops_arduino_count(float value) {
  if (value >= 32767.0f) {
    return INT16_MAX;
  }
  if (value <= -32768.0f) {
    return INT16_MIN;
  }
  return (int16_t)(value < 0.0f ? value - 0.5f : value + 0.5f);
}

#endif
