#include "chips.h"
#include "twi.h"

/* A port is its calls' own context, and its sensor is where the driver's memory begins. */
static tinyops_sensor_driver *driver_of(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  return (tinyops_sensor_driver *)(uintptr_t)port->sensor;
}

static uint32_t now_ms(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  return port->now_ms(context);
}

static const accelerometer_chip *find_chip(void) {
  static const accelerometer_chip *const known[] = {&nrf5_mma8653, &nrf5_lsm303agr};
  for (uint32_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    uint8_t who = 0;
    if (nrf5_twi_get(known[i]->address, known[i]->who_register, &who, 1) == 0 &&
        who == known[i]->who_value) {
      return known[i];
    }
  }
  return 0;
}

/* The smallest range that holds every channel's full scale, which is 2^31 / per_milli. */
static int32_t choose_range(const tinyops_sensor_driver *self) {
  const tinyops_sensor_signal *signal = self->signal;
  uint32_t least = UINT32_MAX;
  for (uint32_t i = 0; i < signal->channels; i++) {
    least = signal->per_milli[i] < least ? signal->per_milli[i] : least;
  }
  for (uint32_t range = 0; range < CHIP_RANGES && self->chip->full_mm_s2[range] > 0; range++) {
    if ((uint64_t)self->chip->full_mm_s2[range] * least >= 1ull << 31) {
      return (int32_t)range;
    }
  }
  return ACCELEROMETER_RANGE;
}

static int32_t choose_rate(tinyops_sensor_driver *self, uint32_t rate_millihz) {
  for (uint32_t i = 0; i < CHIP_RATES && self->chip->rates_hz[i] > 0 && rate_millihz > 0; i++) {
    const uint32_t odr_millihz = self->chip->rates_hz[i] * 1000u;
    if (odr_millihz % rate_millihz == 0) {
      self->odr_hz = self->chip->rates_hz[i];
      self->divide = odr_millihz / rate_millihz;
      return (int32_t)i;
    }
  }
  return ACCELEROMETER_RATE;
}

static void begin_anew(tinyops_sensor_driver *self) {
  self->readings = 0;
  self->filled = 0;
  for (uint32_t i = 0; i < ACCELEROMETER_AXES; i++) {
    self->sums[i] = 0;
  }
}

static int32_t start(void *context, uint32_t rate_millihz) {
  tinyops_sensor_driver *self = driver_of(context);
  nrf5_twi_open();
  self->chip = find_chip();
  if (self->chip == 0) {
    return ACCELEROMETER_ABSENT;
  }
  const int32_t range = choose_range(self), rate = choose_rate(self, rate_millihz);
  if (range < 0 || rate < 0) {
    return range < 0 ? range : rate;
  }
  for (uint32_t i = 0; i < self->signal->channels; i++) {
    self->factor[i] =
        (uint32_t)((uint64_t)self->chip->full_mm_s2[range] * self->signal->per_milli[i] >> 15);
  }
  begin_anew(self);
  self->frame_samples = 1;
  self->lost = 0;
  self->taken = 0;
  self->emptied_ms = now_ms(context);
  return self->chip->start(self->chip, (uint32_t)range, (uint32_t)rate) == 0 ? 0
                                                                             : ACCELEROMETER_ABSENT;
}

/* One at the least: the chip says that there is a gap, the clock how large it is. */
static void count_gap(tinyops_sensor_driver *self, uint32_t ms) {
  const uint32_t since = ms - self->emptied_ms;
  const uint32_t come = since / 1000u * self->odr_hz + since % 1000u * self->odr_hz / 1000u;
  const uint32_t known = self->taken + self->chip->kept;
  self->lost += come > known ? come - known : 1u;
  self->emptied_ms = ms;
  self->taken = 0u - self->chip->kept; /* it is full now: what comes is one too many */
  begin_anew(self);
}

/* `value` is the sum of `divide` readings. Rounded half up, saturated. */
static int16_t count_of(const tinyops_sensor_driver *self, int32_t value, uint32_t factor) {
  const int64_t scaled = (int64_t)(value / (int32_t)self->divide) * factor;
  const int64_t count = (scaled + (1 << 15)) >> 16;
  return (int16_t)(count > INT16_MAX ? INT16_MAX : (count < INT16_MIN ? INT16_MIN : count));
}

/* Whether the frame is whole. */
static int32_t put_sample(tinyops_sensor_driver *self, int16_t *values, uint32_t count) {
  const tinyops_sensor_signal *signal = self->signal;
  for (uint32_t i = 0; i < signal->channels; i++) {
    values[self->filled++] = count_of(self, self->sums[signal->from[i]], self->factor[i]);
  }
  const uint32_t filled = self->filled < count ? self->filled : 0;
  begin_anew(self);
  self->filled = filled;
  return filled == 0;
}

/* At most one reading a call. */
static int32_t poll(void *context, int16_t *values, uint32_t count) {
  tinyops_sensor_driver *self = driver_of(context);
  int32_t axes[ACCELEROMETER_AXES];
  if (count == 0 || count % self->signal->channels != 0) {
    return ACCELEROMETER_FRAME;
  }
  self->frame_samples = count / self->signal->channels;
  const int32_t got = self->chip->read(self->chip, axes);
  if (got <= 0) {
    self->emptied_ms = now_ms(context);
    self->taken = 0;
    return got;
  }
  if (got == CHIP_LOST) {
    count_gap(self, now_ms(context));
  }
  self->taken++;
  for (uint32_t i = 0; i < ACCELEROMETER_AXES; i++) {
    self->sums[i] += axes[i];
  }
  return ++self->readings == self->divide ? put_sample(self, values, count) : 0;
}

static uint32_t missed(void *context) {
  const tinyops_sensor_driver *self = driver_of(context);
  return self->divide == 0 ? 0 : self->lost / (self->divide * self->frame_samples);
}

void tinyops_sensor_attach(tinyops_sensor_driver *driver, const tinyops_sensor_signal *signal,
                           tinyops_port *port) {
  *driver = (tinyops_sensor_driver){.calls = {.start = start, .poll = poll, .missed = missed},
                                    .signal = signal,
                                    .frame_samples = 1};
  port->sensor = &driver->calls;
}
