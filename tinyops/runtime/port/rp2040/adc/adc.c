/* Facts: RP2040 datasheet 2.5 (DMA), 2.14 (resets), 2.19.6 (pads), 4.9 (ADC). */
#include "sensor_driver.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define ADC(offset) REGISTER(0x4004c000u + (offset))
#define ADC_RESULTS 0x4004c00cu
#define DMA(offset) REGISTER(0x50000000u + (offset))
#define RESETS_CLEAR REGISTER(0x4000f000u)
#define RESETS_DONE REGISTER(0x4000c008u)
#define PIN_PAD(pin) REGISTER(0x4001c004u + 4u * (pin))
#define ADC_HZ 48000000u

enum {
  CONTROL = 0x00,
  FIFO_CONTROL = 0x08,
  FIFO = 0x0c,
  DIVIDER = 0x10,
  ON = 1,
  START_MANY = 1 << 3,
  READY = 1 << 8,
  INPUT_SHIFT = 12,
  ROUND_SHIFT = 16,
  FIFO_ON = 1,
  FIFO_ASKS_DMA = 1 << 3,
  FIFO_EMPTY = 1 << 8,
  FIFO_FLAGS = 3 << 10,
  FIFO_AT_ONE = 1 << 24,
  DIVIDER_SHIFT = 8,
  DIVIDER_MAX = 65536,
  DIVIDER_MIN = 96, /* a conversion's own time */

  READ_ADDRESS = 0x00, /* of DMA channel 0 */
  WRITE_ADDRESS = 0x04,
  COUNT = 0x08,
  CHANNEL_CONTROL = 0x0c,
  ABORT = 0x444,
  CHANNEL_ON = 1,
  HALF_WORDS = 1 << 2,
  WRITES_MOVE = 1 << 5,
  RING_SHIFT = 6,
  RING_OF_WRITES = 1 << 10,
  PACE_SHIFT = 15,
  PACED_BY_ADC = 36,
  QUIET = 1 << 21,
  CHANNEL_BUSY = 1 << 24,
  DMA_RESET = 1 << 2,

  FIRST_PIN = 26,
  PAD_ANALOGUE = 0x80, /* output and input buffer off, no pull */
  ROUNDS_MAX = 4096,
  STEPS_BITS = 12,
  NEAR_FULL = ADC_RING - 8 /* what is copied must not be overwritten meanwhile */
};
#define COUNT_MAX UINT32_MAX

/* A port is its calls' own context, and its sensor is where the driver's memory begins. */
static tinyops_sensor_driver *driver_of(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  return (tinyops_sensor_driver *)(uintptr_t)port->sensor;
}

/* Which inputs, and where in a round each of the signal's channels stands: ascending. */
static void choose_inputs(tinyops_sensor_driver *self) {
  const tinyops_sensor_signal *signal = self->signal;
  self->inputs = 0;
  self->round = 0;
  for (uint32_t i = 0; i < signal->channels; i++) {
    self->inputs |= 1u << signal->from[i];
  }
  for (uint32_t input = 0; input < ADC_CHANNELS; input++) {
    for (uint32_t i = 0; i < signal->channels; i++) {
      if (signal->from[i] == input) {
        self->place[i] = self->round;
      }
    }
    self->round += self->inputs >> input & 1u;
  }
}

/* The fewest rounds whose conversions come at a whole divider of the clock: samples keep step. */
static int32_t choose_divider(tinyops_sensor_driver *self, uint32_t rate_millihz) {
  const uint64_t clock_millihz = (uint64_t)ADC_HZ * 1000u;
  for (uint32_t rounds = 1; rounds <= ROUNDS_MAX && rate_millihz > 0; rounds++) {
    const uint64_t a_sample = (uint64_t)rate_millihz * self->round * rounds;
    const uint64_t divider = clock_millihz / a_sample;
    if (divider < DIVIDER_MIN) {
      break;
    }
    if (divider <= DIVIDER_MAX && divider * a_sample == clock_millihz) {
      self->rounds = rounds;
      self->divider = (uint32_t)divider;
      return 0;
    }
  }
  return ADC_RATE;
}

static void stop(void) {
  ADC(CONTROL) = ON;
  while ((ADC(CONTROL) & READY) == 0) {
  }
  DMA(ABORT) = 1;
  while ((DMA(ABORT) & 1u) != 0) {
  }
  ADC(FIFO_CONTROL) = FIFO_ON | FIFO_FLAGS;
  while ((ADC(FIFO_CONTROL) & FIFO_EMPTY) == 0) {
    (void)ADC(FIFO);
  }
}

/* From the first input on, into the beginning of the ring. */
static void run(tinyops_sensor_driver *self) {
  uint32_t first = 0;
  while ((self->inputs >> first & 1u) == 0) {
    first++;
  }
  stop();
  self->taken = 0;
  ADC(FIFO_CONTROL) = FIFO_ON | FIFO_ASKS_DMA | FIFO_AT_ONE;
  ADC(DIVIDER) = (self->divider - 1u) << DIVIDER_SHIFT;
  DMA(READ_ADDRESS) = ADC_RESULTS;
  DMA(WRITE_ADDRESS) = (uint32_t)(uintptr_t)self->ring;
  DMA(COUNT) = COUNT_MAX;
  DMA(CHANNEL_CONTROL) = CHANNEL_ON | HALF_WORDS | WRITES_MOVE | ADC_RING_BITS << RING_SHIFT |
                         RING_OF_WRITES | PACED_BY_ADC << PACE_SHIFT | QUIET;
  ADC(CONTROL) =
      ON | first << INPUT_SHIFT | (self->round > 1 ? self->inputs << ROUND_SHIFT : 0) | START_MANY;
}

static int32_t start(void *context, uint32_t rate_millihz) {
  tinyops_sensor_driver *self = driver_of(context);
  choose_inputs(self);
  if (choose_divider(self, rate_millihz) != 0) {
    return ADC_RATE;
  }
  RESETS_CLEAR = DMA_RESET;
  while ((RESETS_DONE & DMA_RESET) == 0) {
  }
  for (uint32_t i = 0; i < self->signal->channels; i++) {
    PIN_PAD(FIRST_PIN + self->signal->from[i]) = PAD_ANALOGUE;
    /* A unit is the reference, 4096 steps: thousandths of it, times 4.096. */
    self->factor[i] = (uint32_t)((uint64_t)self->signal->per_milli[i] * 1000u >> STEPS_BITS);
  }
  self->lost = 0;
  run(self);
  return 0;
}

static int16_t count_of(uint32_t steps, uint32_t factor) {
  const uint64_t count = ((uint64_t)steps * factor + (1u << 15)) >> 16;
  return (int16_t)(count > INT16_MAX ? INT16_MAX : count);
}

static void put_sample(tinyops_sensor_driver *self, int16_t *values) {
  for (uint32_t i = 0; i < self->signal->channels; i++) {
    uint32_t sum = 0;
    for (uint32_t n = 0; n < self->rounds; n++) {
      sum += self->ring[(self->taken + n * self->round + self->place[i]) % ADC_RING];
    }
    values[i] = count_of(sum / self->rounds, self->factor[i]);
  }
  self->taken += self->rounds * self->round;
}

/* Whole frames give way, so that the next one begins with a round. */
static void drop_old(tinyops_sensor_driver *self, uint32_t waiting, uint32_t frame) {
  if (waiting > NEAR_FULL) {
    const uint32_t frames = (waiting - NEAR_FULL + frame - 1u) / frame;
    self->taken += frames * frame;
    self->lost += frames;
  }
}

static int32_t poll(void *context, int16_t *values, uint32_t count) {
  tinyops_sensor_driver *self = driver_of(context);
  const uint32_t channels = self->signal->channels;
  const uint32_t frame = count / channels * self->round * self->rounds; /* conversions */
  if (count == 0 || count % channels != 0 || frame > ADC_RING / 2) {
    return ADC_FRAME;
  }
  if ((DMA(CHANNEL_CONTROL) & CHANNEL_BUSY) == 0) { /* after 2^32 conversions */
    self->lost++;
    run(self);
  }
  drop_old(self, COUNT_MAX - DMA(COUNT) - self->taken, frame);
  if (COUNT_MAX - DMA(COUNT) - self->taken < frame) {
    return 0;
  }
  for (uint32_t at = 0; at < count; at += channels) {
    put_sample(self, values + at);
  }
  return 1;
}

static uint32_t missed(void *context) { return driver_of(context)->lost; }

void tinyops_sensor_attach(tinyops_sensor_driver *driver, const tinyops_sensor_signal *signal,
                           tinyops_port *port) {
  driver->calls = (tinyops_port_sensor){.start = start, .poll = poll, .missed = missed};
  driver->signal = signal;
  port->sensor = &driver->calls;
  port->supply_mv = 0;
}
