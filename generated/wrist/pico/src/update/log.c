/* The state log; see log.h. */
#include "log.h"

#include "bytes.h"
#include "tinyops/crc32.h"
#include "tinyops/little_endian.h"

enum {
  RECORD_BYTES = 156,
  IMAGES_AT = 8,
  IMAGE_BYTES = 72,
  COUNTER_AT = 4,
  CRC_AT = RECORD_BYTES - 4,
  UNIT_MAX = 256, /* the largest program unit of the catalogue: a record and its padding */
  READS = 3,      /* a unit that lost power while it was programmed may read right once */
  TRIES = 3
};
typedef char images_fill_the_record[sizeof(tinyops_slots_image) == IMAGE_BYTES ? 1 : -1];
#define MAGIC 0x314c5354u /* "TSL1" */
#define BLANK 0xffu
#define BLANK_WORD 0xffffffffu

static uint32_t place_bytes(const tinyops_slots *s) {
  return tinyops_bytes_padded(RECORD_BYTES, s->flash->program_bytes);
}

static uint32_t half_bytes(const tinyops_slots *s) { return s->state.bytes / 2u; }

/* Start of the half that an address lies in. */
static uint32_t half_of(const tinyops_slots *s, uint32_t address) {
  const uint32_t second = s->state.origin + half_bytes(s);
  return address < second ? s->state.origin : second;
}

int32_t tinyops_log_fits(const tinyops_slots *s) {
  const tinyops_port_flash *flash = s->flash;
  const uint32_t sector = flash->erase_bytes;
  const uint32_t unit = flash->program_bytes;
  if (unit == 0u || unit > UNIT_MAX || (unit & (unit - 1u)) != 0u || sector < unit ||
      (sector & (sector - 1u)) != 0u) {
    return TINYOPS_SLOTS_ERR_GEOMETRY;
  }
  const int32_t good = ((s->state.origin | half_bytes(s)) & (sector - 1u)) == 0u &&
                       half_bytes(s) >= place_bytes(s) && s->unit != 0 &&
                       s->unit_bytes >= TINYOPS_SLOTS_UNIT_MIN &&
                       (s->unit_bytes & (unit - 1u)) == 0u;
  return good ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_GEOMETRY;
}

static uint32_t crc32(const uint8_t *bytes, uint32_t count) {
  return ~tinyops_crc32_more(TINYOPS_CRC32_START, bytes, count);
}

/* An image's struct is its part of the record, but for the order of its counter's bytes. */
static void encode(const tinyops_slots *s, uint32_t sequence, uint8_t *raw) {
  tinyops_put32(raw, MAGIC);
  tinyops_put32(raw + 4, sequence);
  tinyops_bytes_copy(raw + IMAGES_AT, (const uint8_t *)s->images, sizeof s->images);
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES; i++) {
    tinyops_put32(raw + IMAGES_AT + i * IMAGE_BYTES + COUNTER_AT, s->images[i].counter);
  }
  tinyops_put32(raw + CRC_AT, crc32(raw, CRC_AT));
}

static void decode(tinyops_slots *s, const uint8_t *raw) {
  tinyops_bytes_copy((uint8_t *)s->images, raw + IMAGES_AT, sizeof s->images);
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES; i++) {
    s->images[i].counter = tinyops_get32(raw + IMAGES_AT + i * IMAGE_BYTES + COUNTER_AT);
  }
}

/* Whether a record's numbers can be used: each slot is one or none, what is on trial has one. */
static int32_t makes_sense(const uint8_t *raw) {
  for (const uint8_t *image = raw + IMAGES_AT; image != raw + CRC_AT; image += IMAGE_BYTES) {
    if ((uint8_t)(image[0] + 1u) > TINYOPS_SLOTS_EACH ||
        (uint8_t)(image[1] + 1u) > TINYOPS_SLOTS_EACH || image[2] > TINYOPS_TRIAL_RUNNING ||
        (image[2] != TINYOPS_TRIAL_IDLE && image[1] == TINYOPS_SLOTS_NONE)) {
      return 0;
    }
  }
  return 1;
}

/* Reads the record at an address into `raw`. Returns its sequence, 0: there is none, or -1 in
 * `status`: the flash refused. */
static uint32_t read_record(tinyops_slots *s, uint32_t address, uint8_t *raw, int32_t *status) {
  for (uint32_t i = 0; i < READS; i++) {
    if (s->flash->read(s->context, address, raw, RECORD_BYTES) != 0) {
      *status = TINYOPS_SLOTS_ERR_FLASH;
      return 0;
    }
    if (tinyops_get32(raw) != MAGIC || crc32(raw, CRC_AT) != tinyops_get32(raw + CRC_AT) ||
        !makes_sense(raw)) {
      return 0;
    }
  }
  return tinyops_get32(raw + 4);
}

/* Whether nothing was ever begun in a place, which is whole words: blank each time it is read. */
static int32_t is_blank(tinyops_slots *s, uint32_t address) {
  uint8_t word[4];
  for (uint32_t at = 0; at < place_bytes(s); at += (uint32_t)sizeof word) {
    for (uint32_t i = 0; i < READS; i++) {
      if (s->flash->read(s->context, address + at, word, sizeof word) != 0 ||
          tinyops_get32(word) != BLANK_WORD) {
        return 0;
      }
    }
  }
  return 1;
}

/* The first blank place behind the one at `place` in its half, 0: there is none. */
static uint32_t find_blank(tinyops_slots *s, uint32_t place) {
  const uint32_t end = half_of(s, place) + half_bytes(s);
  for (uint32_t at = place + place_bytes(s); place_bytes(s) <= end - at; at += place_bytes(s)) {
    if (is_blank(s, at)) {
      return at;
    }
  }
  return 0;
}

/* What is true while nothing is recorded. */
static void forget(tinyops_slots *s) {
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES; i++) {
    tinyops_slots_image *image = &s->images[i];
    tinyops_bytes_fill((uint8_t *)image, 0, sizeof *image);
    image->active = image->trial = TINYOPS_SLOTS_NONE;
  }
}

/* Takes over the newest record of a half, which is its last, when it is newer than the one that
 * counts so far. */
static int32_t open_half(tinyops_slots *s, uint32_t start) {
  uint8_t raw[RECORD_BYTES];
  int32_t status = TINYOPS_SLOTS_OK;
  uint32_t sequence = 0;
  uint32_t end = start;
  while (place_bytes(s) <= start + half_bytes(s) - end) {
    end += place_bytes(s);
  }
  while (sequence == 0u && end != start) {
    end -= place_bytes(s);
    sequence = read_record(s, end, raw, &status);
  }
  /* Modulo 2^32. */
  if (sequence != 0u && (s->sequence == 0u || sequence - s->sequence < 0x80000000u)) {
    decode(s, raw);
    s->sequence = sequence;
    s->record = end;
  }
  return status;
}

int32_t tinyops_log_open(tinyops_slots *s) {
  s->sequence = s->record = s->next = 0;
  forget(s);
  const int32_t status =
      open_half(s, s->state.origin) | open_half(s, s->state.origin + half_bytes(s));
  if (s->sequence != 0u) {
    s->next = find_blank(s, s->record);
  }
  return status;
}

/* Where the next record goes; erases the half that does not hold the one that counts when the other
 * is full. Returns 0 when the flash refuses. */
static uint32_t make_room(tinyops_slots *s) {
  if (s->next != 0u) {
    return s->next;
  }
  const uint32_t first = s->state.origin;
  const uint32_t spare =
      s->sequence != 0u && half_of(s, s->record) == first ? first + half_bytes(s) : first;
  for (uint32_t at = 0; at < half_bytes(s); at += s->flash->erase_bytes) {
    if (s->pause != 0) {
      s->pause(s->context);
    }
    if (s->flash->erase(s->context, spare + at, s->flash->erase_bytes) != 0) {
      return 0;
    }
  }
  return spare;
}

int32_t tinyops_log_append(tinyops_slots *s) {
  uint32_t words[UNIT_MAX / 4]; /* a flash may want aligned words */
  uint8_t *raw = (uint8_t *)words;
  const uint32_t sequence = s->sequence + 1u != 0u ? s->sequence + 1u : 1u;
  int32_t status = TINYOPS_SLOTS_ERR_FLASH;
  for (uint32_t i = 0; i < TRIES; i++) {
    const uint32_t at = make_room(s);
    if (at == 0u) {
      break;
    }
    tinyops_bytes_fill(raw, BLANK, UNIT_MAX);
    encode(s, sequence, raw);
    status = TINYOPS_SLOTS_OK;
    if (s->flash->program(s->context, at, raw, place_bytes(s)) != 0 ||
        read_record(s, at, raw, &status) != sequence) {
      status = TINYOPS_SLOTS_ERR_FLASH;
    }
    s->next = find_blank(s, at);
    if (status == TINYOPS_SLOTS_OK) {
      s->sequence = sequence;
      s->record = at;
      return status;
    }
  }
  (void)tinyops_log_open(s);
  return TINYOPS_SLOTS_ERR_FLASH;
}
