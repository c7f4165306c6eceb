/* The settings region: whatever lies in it, whatever is written to it, and power that fails.
 *
 * The input chooses a geometry, then what both copies hold at first (as they are, or with a header
 * that fits them, so that their values are read), then steps: values are asked for, pieces are
 * written in both ways, power fails at some operation.
 *
 * What must hold: no rule of flash is broken; what was committed is what is read, until something
 * else is committed; a cut leaves the old or the new; secrets are not given out. */
#include <string.h>

#include "input.h"
#include "port/sim/flash_model.h"
#include "tinyops/little_endian.h"
#include "tinyops/settings.h"

enum {
  ORIGIN = 0x2000,
  SECTOR_MAX = 4096,
  HALVES = 2,
  UNIT_MAX = 256,
  HEADER = TINYOPS_SETTINGS_HEADER_BYTES,
  VALUES_MAX = TINYOPS_SETTINGS_VALUES_MAX
};

typedef struct {
  uint8_t bytes[VALUES_MAX];
  uint32_t count;
  int32_t is_known; /* whether there are such values at all */
} values;

typedef struct {
  uint8_t content[HALVES * SECTOR_MAX], marks[HALVES * SECTOR_MAX];
  tinyops_flash_model model;
  tinyops_port_flash flash;
  tinyops_settings settings;
  uint8_t *unit;
  values kept;  /* what counts */
  values given; /* of the write in progress */
} device;

static uint32_t crc32(const uint8_t *bytes, uint32_t count, uint32_t crc) {
  for (uint32_t i = 0; i < 8u * count; i++) {
    const uint32_t bit = (uint32_t)bytes[i / 8u] >> (i % 8u) & 1u;
    crc = (crc >> 1) ^ ((crc & 1u) != bit ? 0xedb88320u : 0u);
  }
  return crc;
}

static uint32_t values_at(const device *self) {
  const uint32_t unit = self->flash.program_bytes;
  return (HEADER + unit - 1u) / unit * unit;
}

static uint32_t half_of(const device *self) { return self->settings.bytes / 2u; }

/* Fills one copy from the input; with a header that fits where the input says so. */
static void fill_copy(device *self, fuzz_input *input, uint32_t copy) {
  uint8_t *at = self->content + copy * half_of(self);
  const uint32_t how = fuzz_byte(input);
  uint32_t count = fuzz_get16(input) % (VALUES_MAX + 1u);
  const uint32_t room = half_of(self) - values_at(self);
  count = count < room ? count : room;
  if ((how & 1u) == 0u) {
    return; /* erased */
  }
  for (uint32_t i = 0; i < count; i++) {
    at[values_at(self) + i] = (uint8_t)fuzz_byte(input);
  }
  tinyops_put32(at, TINYOPS_SETTINGS_MAGIC);
  tinyops_put32(at + 4, fuzz_get32(input));
  tinyops_put32(at + 8, (how & 2u) != 0u ? count : fuzz_get32(input));
  const uint32_t crc = crc32(at + values_at(self), count, crc32(at, HEADER - 4u, UINT32_MAX));
  tinyops_put32(at + 12, ~crc);
  if ((how & 4u) != 0u) {
    at[fuzz_byte(input) % HEADER] ^= (uint8_t)fuzz_byte(input);
  }
}

static void open_again(device *self) {
  const int32_t status = tinyops_settings_open(&self->settings);
  FUZZ_CHECK(status == TINYOPS_SETTINGS_OK || status == TINYOPS_SETTINGS_ERR_NONE);
  self->given.is_known = 0;
}

/* What counts according to the parser, read from the flash itself. */
static values values_that_count(const device *self) {
  values found = {.is_known = self->settings.current != UINT32_MAX};
  if (found.is_known) {
    found.count = self->settings.length;
    FUZZ_CHECK(found.count <= VALUES_MAX);
    const uint32_t at = self->settings.current - ORIGIN + values_at(self);
    FUZZ_CHECK(at + found.count <= self->settings.bytes);
    memcpy(found.bytes, self->content + at, found.count);
  }
  return found;
}

static int32_t is_same(const values *a, const values *b) {
  return a->is_known == b->is_known &&
         (!a->is_known || (a->count == b->count && memcmp(a->bytes, b->bytes, a->count) == 0));
}

static void make(device *self, fuzz_input *input) {
  static const uint32_t geometries[][2] = {{4, 1024}, {8, 2048}, {1, 512}, {256, 4096}};
  const uint32_t chosen = fuzz_byte(input);
  const uint32_t unit = geometries[chosen % 4u][0];
  const uint32_t sector = geometries[chosen % 4u][1];
  memset(self, 0, sizeof(*self));
  memset(self->content, 0xff, sizeof(self->content));
  self->flash = (tinyops_port_flash){sector, unit, tinyops_flash_model_erase,
                                     tinyops_flash_model_program, tinyops_flash_model_read};
  const uint32_t unit_bytes = unit < HEADER ? HEADER * (1u + (chosen >> 2 & 3u)) : unit;
  self->unit = malloc(unit_bytes);
  FUZZ_CHECK(self->unit != NULL);
  self->settings = (tinyops_settings){.flash = &self->flash,
                                      .context = &self->model,
                                      .origin = ORIGIN,
                                      .bytes = HALVES * sector,
                                      .unit = self->unit,
                                      .unit_bytes = unit_bytes};
  fill_copy(self, input, 0);
  fill_copy(self, input, 1);
  const tinyops_flash_facts facts = {ORIGIN, HALVES * sector, sector, unit, 1};
  tinyops_flash_model_open(&self->model, &facts, self->content, self->marks, 7);
  open_again(self);
  self->kept = values_that_count(self);
}

/* The value of a tag in values that may be malformed, the first one. Returns its bytes or -1. */
static int32_t find(const values *from, uint32_t tag, uint32_t *at) {
  *at = 0;
  while (from->is_known && from->count - *at >= 3u) {
    const uint32_t length = tinyops_get16(from->bytes + *at + 1);
    if (length > from->count - *at - 3u) {
      return -1;
    }
    *at += 3u;
    if (from->bytes[*at - 3u] == tag) {
      return (int32_t)length;
    }
    *at += length;
  }
  return -1;
}

static void get(device *self, fuzz_input *input) {
  const uint32_t tag = fuzz_byte(input);
  const uint32_t room = fuzz_byte(input);
  uint8_t *value = malloc(room + 1u);
  FUZZ_CHECK(value != NULL);
  const int32_t found = tinyops_settings_get(&self->settings, (uint8_t)tag, value, room);
  uint32_t at = 0;
  const int32_t wanted = find(&self->kept, tag, &at);
  if (wanted < 0) {
    FUZZ_CHECK(found == TINYOPS_SETTINGS_ERR_NONE);
  } else if ((uint32_t)wanted > room) {
    FUZZ_CHECK(found == TINYOPS_SETTINGS_ERR_ROOM);
  } else {
    FUZZ_CHECK(found == wanted && memcmp(value, self->kept.bytes + at, (uint32_t)wanted) == 0);
  }
  free(value);
}

/* What is given out lies before the first secret. */
static void give(device *self, fuzz_input *input) {
  const uint32_t offset = fuzz_get16(input);
  const uint32_t room = fuzz_byte(input);
  uint32_t length = 0;
  uint8_t *piece = malloc(room + 1u);
  FUZZ_CHECK(piece != NULL);
  const int32_t found = tinyops_settings_give_piece(&self->settings, offset, piece, room, &length);
  FUZZ_CHECK(length <= self->kept.count);
  for (uint32_t at = 0; at < length;) {
    FUZZ_CHECK(self->kept.bytes[at] < TINYOPS_SETTINGS_SECRET_FROM);
    at += 3u + tinyops_get16(self->kept.bytes + at + 1);
    FUZZ_CHECK(at <= length);
  }
  if (found > 0) {
    FUZZ_CHECK((uint32_t)found <= room && offset + (uint32_t)found <= length);
    FUZZ_CHECK(memcmp(piece, self->kept.bytes + offset, (uint32_t)found) == 0);
  }
  free(piece);
}

/* After a call that may have ended a write: `finished` when it says that the new values count. */
static void settle(device *self, int32_t finished) {
  const values now = values_that_count(self);
  if (finished) {
    FUZZ_CHECK(self->given.is_known && is_same(&now, &self->given));
    self->given.is_known = 0;
    self->kept = now;
  } else if (self->model.is_off == 0u) {
    FUZZ_CHECK(is_same(&now, &self->kept));
  }
}

static void note(device *self, const uint8_t *bytes, uint32_t count) {
  FUZZ_CHECK(self->given.is_known && count <= VALUES_MAX - self->given.count);
  memcpy(self->given.bytes + self->given.count, bytes, count);
  self->given.count += count;
}

static void put(device *self, fuzz_input *input) {
  uint32_t count = fuzz_byte(input);
  uint8_t *bytes = fuzz_bytes(input, &count);
  const int32_t status = tinyops_settings_put(&self->settings, bytes, count);
  if (status == 0) {
    note(self, bytes, count);
  }
  free(bytes);
}

static void take_piece(device *self, fuzz_input *input) {
  const uint32_t how = fuzz_byte(input);
  const uint32_t offset = (how & 1u) != 0u ? self->given.count : fuzz_get16(input);
  uint32_t count = fuzz_byte(input);
  uint8_t *bytes = fuzz_bytes(input, &count);
  const uint32_t length = (how & 2u) != 0u   ? offset + count
                          : (how & 4u) != 0u ? self->settings.announced
                                             : fuzz_get16(input);
  const int32_t next = tinyops_settings_take_piece(&self->settings, offset, length, bytes, count);
  if (next >= 0) {
    FUZZ_CHECK((uint32_t)next == offset + count);
    self->given = offset == 0u ? (values){.is_known = 1} : self->given;
    note(self, bytes, count);
    settle(self, self->given.count == length);
  } else if (self->model.is_off == 0u) {
    settle(self, 0);
  }
  free(bytes);
}

static void commit(device *self) {
  const int32_t status = tinyops_settings_commit(&self->settings);
  FUZZ_CHECK(self->model.is_off == 0u || status != 0);
  if (self->model.is_off == 0u) {
    settle(self, status == 0);
  }
}

/* Power comes back after a cut: the old values count, or those that were being written. */
static void recover(device *self) {
  if (self->model.is_off == 0u) {
    return;
  }
  const values next = self->given;
  tinyops_flash_model_power_on(&self->model);
  self->model.cut_at = 0;
  open_again(self);
  const values now = values_that_count(self);
  FUZZ_CHECK(is_same(&now, &self->kept) || is_same(&now, &next));
  self->kept = now;
}

static void step(device *self, fuzz_input *input) {
  const uint32_t what = fuzz_byte(input);
  switch (what % 8u) {
    case 0:
      get(self, input);
      break;
    case 1:
      give(self, input);
      break;
    case 2:
      self->given =
          (values){.is_known = tinyops_settings_begin(&self->settings, fuzz_get16(input)) == 0};
      break;
    case 3:
      put(self, input);
      break;
    case 4:
      commit(self);
      break;
    case 5:
      take_piece(self, input);
      break;
    case 6:
      self->model.cut_at = self->model.operations + 1u + fuzz_byte(input);
      break;
    default:
      open_again(self);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static device self;
  fuzz_input input = {bytes, bytes + count};
  make(&self, &input);
  while (fuzz_left(&input) > 0u) {
    step(&self, &input);
    recover(&self);
    FUZZ_CHECK(self.model.broken == TINYOPS_FLASH_NO_RULE);
  }
  free(self.unit);
  return 0;
}
