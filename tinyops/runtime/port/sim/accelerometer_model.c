#include "accelerometer_model.h"

#include <string.h>

enum { AXES = 3, NEW_DATA = 0x08, OVERWRITTEN = 0x80 };

enum {
  MMA_ADDRESS = 0x1d,
  MMA_DATA = 0x01,
  MMA_DATA_END = 0x07,
  MMA_WHO = 0x0d,
  MMA_RANGE = 0x0e,
  MMA_CONTROL_1 = 0x2a,
  MMA_STEPS = 512 /* of its range */
};

enum {
  LSM_ADDRESS = 0x19,
  LSM_WHO = 0x0f,
  LSM_CONTROL_1 = 0x20,
  LSM_CONTROL_4 = 0x23,
  LSM_CONTROL_5 = 0x24,
  LSM_DATA = 0x28,
  LSM_DATA_END = 0x2e,
  LSM_FIFO_CONTROL = 0x2e,
  LSM_FIFO_SOURCE = 0x2f,
  LSM_STEPS = 2048,
  LSM_MOVES = 0x80,
  LSM_FIFO_ON = 0x40,
  LSM_HIGH_RESOLUTION = 0x08
};

static uint32_t rate_of_mma(const accelerometer_model *self) {
  static const uint32_t rates_millihz[] = {800000, 400000, 200000, 100000,
                                           50000,  12500,  6250,   1563};
  const uint8_t control = self->registers[MMA_CONTROL_1];
  return (control & 1u) != 0 ? rates_millihz[control >> 3 & 7u] : 0;
}

static uint32_t rate_of_lsm(const accelerometer_model *self) {
  static const uint32_t rates_millihz[] = {0, 1000, 10000, 25000, 50000, 100000, 200000, 400000};
  const uint32_t code = self->registers[LSM_CONTROL_1] >> 4;
  return code < 8 ? rates_millihz[code] : 0;
}

/* Of so many to a range, rounded half away from zero. */
static int16_t steps_of(int32_t half_mg, uint32_t range_ug, int32_t steps) {
  const int64_t scaled = (int64_t)half_mg * 500 * steps, range = range_ug;
  const int64_t found = (scaled + (scaled < 0 ? -range : range) / 2) / range;
  return (int16_t)(found < -steps ? -steps : (found >= steps ? steps - 1 : found));
}

static void measure_mma(const accelerometer_model *self, const int16_t *board, int16_t *shown) {
  const uint32_t range_ug = 2000000u << (self->registers[MMA_RANGE] & 3u);
  for (int i = 0; i < AXES; i++) {
    shown[i] = (int16_t)(steps_of(board[i], range_ug, MMA_STEPS) * 64);
  }
}

/* Its axes lie otherwise on the board. */
static void measure_lsm(const accelerometer_model *self, const int16_t *board, int16_t *shown) {
  static const uint32_t steps_ug[] = {980, 1950, 3900, 11720};
  const uint32_t range_ug = steps_ug[self->registers[LSM_CONTROL_4] >> 4 & 3u] * LSM_STEPS;
  const int32_t turned[AXES] = {-board[1], -board[0], board[2]};
  for (int i = 0; i < AXES; i++) {
    shown[i] = (int16_t)(steps_of(turned[i], range_ug, LSM_STEPS) * 16);
  }
}

static void keep(accelerometer_model *self, const int16_t *board) {
  const int is_mma = self->kind == ACCELEROMETER_MMA8653;
  const uint32_t room = is_mma ? 1 : ACCELEROMETER_FIFO;
  if (self->waiting == room) {
    self->overrun = 1;
    self->waiting--;
    memmove(self->fifo[0], self->fifo[1], sizeof(self->fifo) - sizeof(self->fifo[0]));
  }
  (is_mma ? measure_mma : measure_lsm)(self, board, self->fifo[self->waiting]);
  self->waiting++;
}

/* What has been measured by now. A recording at its end leaves the chip where it was. */
static void catch_up(accelerometer_model *self, uint64_t now_us) {
  if (self->odr_millihz == 0 || self->source == NULL) {
    return;
  }
  const uint64_t due = (now_us - self->started_us) * self->odr_millihz / 1000000000u;
  for (; self->measured < due; self->measured++) {
    const uint64_t at_us = self->measured * 1000000000u / self->odr_millihz;
    const int16_t *board = replay_sample(self->source, self->started_us + at_us);
    if (board != NULL && self->source->sample_values == AXES) {
      keep(self, board);
    }
  }
}

static void start(accelerometer_model *self, uint64_t now_us) {
  self->odr_millihz = self->kind == ACCELEROMETER_MMA8653 ? rate_of_mma(self) : rate_of_lsm(self);
  self->started_us = now_us;
  self->measured = 0;
  self->waiting = 0;
  self->overrun = 0;
  if (self->odr_millihz > 0 && self->source != NULL) {
    (void)replay_start(self->source, now_us, self->odr_millihz);
  }
}

void accelerometer_open(accelerometer_model *self, accelerometer_kind kind, replay *source) {
  *self = (accelerometer_model){.kind = kind, .source = source, .moves = 1};
  self->registers[kind == ACCELEROMETER_MMA8653 ? MMA_WHO : LSM_WHO] =
      kind == ACCELEROMETER_MMA8653 ? 0x5a : 0x33;
}

uint8_t accelerometer_address(const accelerometer_model *self) {
  return self->kind == ACCELEROMETER_MMA8653 ? MMA_ADDRESS : LSM_ADDRESS;
}

static void set_register(accelerometer_model *self, uint64_t now_us, uint8_t value) {
  const int is_mma = self->kind == ACCELEROMETER_MMA8653;
  const uint8_t control = is_mma ? MMA_CONTROL_1 : LSM_CONTROL_1;
  const int rests = self->odr_millihz == 0;
  if (self->at >= ACCELEROMETER_REGISTERS || (is_mma && !rests && self->at != control)) {
    return; /* an MMA8653 takes settings at rest only */
  }
  self->registers[self->at] = value;
  if (self->at == control) {
    start(self, now_us);
  } else if (!is_mma && self->at == LSM_FIFO_CONTROL && value >> 6 == 0) {
    self->waiting = 0;
    self->overrun = 0;
  }
}

void accelerometer_take(accelerometer_model *self, uint64_t now_us, uint8_t byte, int first) {
  catch_up(self, now_us);
  if (first) {
    self->moves = self->kind == ACCELEROMETER_MMA8653 || (byte & LSM_MOVES) != 0;
    self->at = self->kind == ACCELEROMETER_MMA8653 ? byte : (uint8_t)(byte & ~LSM_MOVES);
    return;
  }
  set_register(self, now_us, byte);
  self->at = (uint8_t)(self->at + (self->moves != 0));
}

/* Its last byte takes a reading out. */
static uint8_t give_data(accelerometer_model *self, uint32_t byte, int high_first) {
  const uint32_t axis = byte / 2, high = (byte % 2 == 0) == (high_first != 0);
  const uint16_t value = (uint16_t)self->fifo[0][axis];
  if (byte == 2 * AXES - 1 && self->waiting > 0) {
    self->waiting--;
    self->overrun = 0;
    if (self->waiting > 0) { /* the newest stays to be seen */
      memmove(self->fifo[0], self->fifo[1], sizeof(self->fifo) - sizeof(self->fifo[0]));
    }
  }
  return (uint8_t)(high ? value >> 8 : value);
}

static uint8_t give_mma(accelerometer_model *self) {
  if (self->at == 0) {
    return (uint8_t)((self->waiting > 0 ? NEW_DATA | 7 : 0) | (self->overrun ? OVERWRITTEN : 0));
  }
  if (self->at >= MMA_DATA && self->at < MMA_DATA_END) {
    return give_data(self, self->at - MMA_DATA, 1);
  }
  return self->at < ACCELEROMETER_REGISTERS ? self->registers[self->at] : 0;
}

static uint8_t give_lsm(accelerometer_model *self) {
  if (self->at == LSM_FIFO_SOURCE) {
    const uint32_t level =
        self->waiting < ACCELEROMETER_FIFO ? self->waiting : ACCELEROMETER_FIFO - 1;
    return (uint8_t)(level | (self->overrun ? 0x40 : 0) | (self->waiting == 0 ? 0x20 : 0));
  }
  if (self->at >= LSM_DATA && self->at < LSM_DATA_END) {
    return give_data(self, self->at - LSM_DATA, 0);
  }
  return self->at < ACCELEROMETER_REGISTERS ? self->registers[self->at] : 0;
}

uint8_t accelerometer_give(accelerometer_model *self, uint64_t now_us) {
  catch_up(self, now_us);
  const uint8_t given = self->kind == ACCELEROMETER_MMA8653 ? give_mma(self) : give_lsm(self);
  self->at = (uint8_t)(self->at + (self->moves != 0));
  return given;
}
