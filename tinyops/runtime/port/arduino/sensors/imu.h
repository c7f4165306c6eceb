/* What the libraries of Arduino's IMUs have in common: readings come at the chip's own rate and
 * leave as the mean of all readings since the sample before, at the contract's rate. Time is
 * counted in readings, so that a late poll shifts nothing.
 *
 * Included once, by a driver that has included its library and defined
 *   IMU_SLACK  readings that the chip keeps until they are read
 *   open_imu   int (void): starts the chip; 0 when it does not answer. */
#ifndef TINYOPS_ARDUINO_IMU_H
#define TINYOPS_ARDUINO_IMU_H

#include "core.h"
#include "sensor.h"

enum { IMU_VALUES = 6, IMU_ABSENT = -1, IMU_FAILED = -2, IMU_FRAME = -3 };

static const float GRAVITY = 9.80665f;     /* m/s2 in a g */
static const float RADIAN = 0.0174532925f; /* rad in a degree */

typedef struct {
  const tinyops_arduino_signal *signal;
  uint32_t wanted_millihz, own_millihz;
  uint32_t phase;         /* readings that no sample has used, times wanted_millihz */
  float sums[IMU_VALUES]; /* of `readings` readings */
  uint32_t readings;
  float sample[IMU_VALUES]; /* the last mean */
  uint32_t filled;          /* values of the frame in the making */
  uint32_t frame_samples;
  uint32_t emptied_ms, taken; /* when the chip had none left, and readings taken since */
  uint32_t lost;              /* readings, since start */
} imu_state;

static imu_state imu;

/* Forgets what was begun: after a gap. */
static void begin_anew(void) {
  imu.phase = 0;
  imu.readings = 0;
  imu.filled = 0;
  for (uint32_t i = 0; i < IMU_VALUES; ++i) {
    imu.sums[i] = 0.0f;
  }
}

static int32_t start_imu(void *context, uint32_t rate_millihz) {
  (void)context;
  if (open_imu() == 0) {
    return IMU_ABSENT;
  }
  imu.wanted_millihz = rate_millihz;
  imu.own_millihz = (uint32_t)(IMU.accelerationSampleRate() * 1000.0f + 0.5f);
  imu.frame_samples = 1;
  imu.lost = 0;
  imu.taken = 0;
  imu.emptied_ms = (uint32_t)millis();
  begin_anew();
  return imu.own_millihz > 0 ? 0 : IMU_ABSENT;
}

/* Readings that the chip has dropped: more have come than were taken and than it can keep. */
static void notice_gap(void) {
  const uint64_t elapsed = (uint32_t)millis() - imu.emptied_ms;
  const uint32_t come = (uint32_t)(elapsed * imu.own_millihz / 1000000u);
  if (come > imu.taken + IMU_SLACK + 1u) {
    const uint32_t lost = come - imu.taken - IMU_SLACK;
    imu.lost += lost;
    imu.taken += lost;
    begin_anew();
  }
}

/* The gyroscope first: reading the accelerometer takes both out of a FIFO. */
static int32_t take_reading(void) {
  float v[IMU_VALUES];
  if (IMU.readGyroscope(v[3], v[4], v[5]) != 1 || IMU.readAcceleration(v[0], v[1], v[2]) != 1) {
    return IMU_FAILED;
  }
  for (uint32_t i = 0; i < IMU_VALUES; ++i) {
    imu.sums[i] += v[i] * (i < 3 ? GRAVITY : RADIAN);
  }
  imu.readings += 1;
  imu.taken += 1;
  imu.phase += imu.wanted_millihz;
  return 0;
}

static void make_sample(void) {
  for (uint32_t i = 0; i < IMU_VALUES && imu.readings > 0; ++i) {
    imu.sample[i] = imu.sums[i] / (float)imu.readings;
    imu.sums[i] = 0.0f;
  }
  imu.readings = 0; /* without a new reading, the sample before stands for this one */
  imu.phase -= imu.own_millihz;
}

/* Whether the frame is whole. */
static int32_t put_sample(int16_t *values, uint32_t count) {
  const tinyops_arduino_signal *signal = imu.signal;
  for (uint32_t i = 0; i < signal->channels; ++i) {
    values[imu.filled] = tinyops_arduino_count(imu.sample[signal->from[i]] * signal->counts[i]);
    imu.filled += 1;
  }
  if (imu.filled < count) {
    return 0;
  }
  imu.filled = 0;
  return 1;
}

/* At most one reading a call. */
static int32_t poll_imu(void *context, int16_t *values, uint32_t count) {
  (void)context;
  if (count == 0 || count % imu.signal->channels != 0) {
    return IMU_FRAME;
  }
  imu.frame_samples = count / imu.signal->channels;
  if (imu.phase < imu.own_millihz) {
    notice_gap();
    if (IMU.accelerationAvailable() <= 0) {
      imu.emptied_ms = (uint32_t)millis();
      imu.taken = 0;
      return 0;
    }
    const int32_t status = take_reading();
    if (status < 0) {
      return status;
    }
  }
  if (imu.phase < imu.own_millihz) {
    return 0;
  }
  make_sample();
  return put_sample(values, count);
}

static uint32_t missed_imu(void *context) {
  (void)context;
  const uint64_t samples = (uint64_t)imu.lost * imu.wanted_millihz / imu.own_millihz;
  return (uint32_t)(samples / imu.frame_samples);
}

static const tinyops_port_sensor imu_sensor = {start_imu, poll_imu, missed_imu};

const tinyops_port_sensor *tinyops_arduino_sensor(const tinyops_arduino_signal *signal) {
  imu.signal = signal;
  return &imu_sensor;
}

#endif
