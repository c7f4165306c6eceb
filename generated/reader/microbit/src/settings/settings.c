/* Settings in two copies; see settings.h, and tinyops/device/provision/format.py for the bytes. */
#include "tinyops/settings.h"

#include "tinyops/crc32.h"
#include "tinyops/little_endian.h"

enum {
  HEADER_BYTES = TINYOPS_SETTINGS_HEADER_BYTES,
  HEAD_BYTES = TINYOPS_SETTINGS_VALUE_HEAD_BYTES
};
#define NO_COPY 0xffffffffu
#define BLANK 0xffu

/* A copy's header as numbers. */
typedef struct {
  uint32_t sequence, length, crc;
} copy_header;

/* Units and sectors are powers of two: a small core has no division. */
static uint32_t padded(uint32_t count, uint32_t unit) { return (count + unit - 1u) & ~(unit - 1u); }

static int32_t is_power_of_two(uint32_t number) {
  return number != 0u && (number & (number - 1u)) == 0u;
}

static uint32_t values_at(const tinyops_settings *s, uint32_t copy) {
  return copy + padded(HEADER_BYTES, s->flash->program_bytes);
}

static int32_t read_flash(tinyops_settings *s, uint32_t address, uint8_t *bytes, uint32_t count) {
  return s->flash->read(s->context, address, bytes, count) == 0 ? 0 : TINYOPS_SETTINGS_ERR_FLASH;
}

/* Continues a CRC over `count` bytes of flash. */
static int32_t crc_flash(tinyops_settings *s, uint32_t address, uint32_t count, uint32_t *crc) {
  while (count != 0u) {
    const uint32_t piece = count < s->unit_bytes ? count : s->unit_bytes;
    if (read_flash(s, address, s->unit, piece) != 0) {
      return TINYOPS_SETTINGS_ERR_FLASH;
    }
    *crc = tinyops_crc32_more(*crc, s->unit, piece);
    address += piece;
    count -= piece;
  }
  return 0;
}

/* Returns 0 for a whole copy, ERR_NONE, or ERR_FLASH. */
static int32_t read_copy_once(tinyops_settings *s, uint32_t copy, copy_header *header) {
  uint8_t raw[HEADER_BYTES];
  if (read_flash(s, copy, raw, HEADER_BYTES) != 0) {
    return TINYOPS_SETTINGS_ERR_FLASH;
  }
  header->sequence = tinyops_get32(raw + 4);
  header->length = tinyops_get32(raw + 8);
  header->crc = tinyops_get32(raw + 12);
  const uint32_t room = copy + s->bytes / 2u - values_at(s, copy);
  if (tinyops_get32(raw) != TINYOPS_SETTINGS_MAGIC ||
      header->length > TINYOPS_SETTINGS_VALUES_MAX || header->length > room) {
    return TINYOPS_SETTINGS_ERR_NONE;
  }
  uint32_t crc = tinyops_crc32_more(TINYOPS_CRC32_START, raw, HEADER_BYTES - 4u);
  if (crc_flash(s, values_at(s, copy), header->length, &crc) != 0) {
    return TINYOPS_SETTINGS_ERR_FLASH;
  }
  return ~crc == header->crc ? 0 : TINYOPS_SETTINGS_ERR_NONE;
}

/* A unit that lost power while it was programmed may read differently each time: a copy counts when
 * it is whole three times. */
static int32_t read_copy(tinyops_settings *s, uint32_t copy, copy_header *header) {
  for (int32_t i = 0; i < 3; i++) {
    const int32_t status = read_copy_once(s, copy, header);
    if (status != 0) {
      return status;
    }
  }
  return 0;
}

static int32_t fits(const tinyops_settings *s) {
  const tinyops_port_flash *flash = s->flash;
  if (flash == 0 || is_power_of_two(flash->program_bytes) == 0 ||
      is_power_of_two(flash->erase_bytes) == 0 || s->unit == 0) {
    return TINYOPS_SETTINGS_ERR_GEOMETRY;
  }
  const uint32_t half = s->bytes / 2u;
  const int32_t good = half * 2u == s->bytes && (half & (flash->erase_bytes - 1u)) == 0u &&
                       (s->unit_bytes & (flash->program_bytes - 1u)) == 0u &&
                       s->unit_bytes >= padded(HEADER_BYTES, flash->program_bytes) &&
                       half > padded(HEADER_BYTES, flash->program_bytes);
  return good ? 0 : TINYOPS_SETTINGS_ERR_GEOMETRY;
}

int32_t tinyops_settings_open(tinyops_settings *s) {
  s->current = s->target = NO_COPY;
  s->sequence = s->length = 0;
  if (fits(s) != 0) {
    return TINYOPS_SETTINGS_ERR_GEOMETRY;
  }
  for (uint32_t i = 0; i < 2u; i++) {
    copy_header header = {0, 0, 0};
    const uint32_t copy = s->origin + i * (s->bytes / 2u);
    const int32_t status = read_copy(s, copy, &header);
    if (status == TINYOPS_SETTINGS_ERR_FLASH) {
      return status;
    }
    const int32_t newer =
        s->current == NO_COPY || header.sequence - s->sequence < 0x80000000u; /* modulo 2^32 */
    if (status == 0 && newer) {
      s->current = copy;
      s->sequence = header.sequence;
      s->length = header.length;
    }
  }
  return s->current == NO_COPY ? TINYOPS_SETTINGS_ERR_NONE : 0;
}

/* A value's head among `length` bytes of values from `start` on. */
typedef struct {
  uint32_t tag, bytes; /* of the value */
  uint32_t at;         /* where the value lies, behind the start */
} value_head;

/* Reads the head at `at`. Returns 0, ERR_VALUE when head or value lead out of the values, or
 * ERR_FLASH. */
static int32_t read_head(tinyops_settings *s, uint32_t start, uint32_t length, uint32_t at,
                         value_head *head) {
  uint8_t raw[HEAD_BYTES];
  if (length - at < HEAD_BYTES) {
    return TINYOPS_SETTINGS_ERR_VALUE;
  }
  if (read_flash(s, start + at, raw, HEAD_BYTES) != 0) {
    return TINYOPS_SETTINGS_ERR_FLASH;
  }
  head->tag = raw[0];
  head->bytes = tinyops_get16(raw + 1);
  head->at = at + HEAD_BYTES;
  return head->bytes > length - head->at ? TINYOPS_SETTINGS_ERR_VALUE : 0;
}

int32_t tinyops_settings_get(tinyops_settings *s, uint8_t tag, uint8_t *value, uint32_t room) {
  if (s->current == NO_COPY) {
    return TINYOPS_SETTINGS_ERR_NONE;
  }
  const uint32_t start = values_at(s, s->current);
  value_head head = {0, 0, 0};
  int32_t status = 0;
  do {
    status = read_head(s, start, s->length, head.at + head.bytes, &head);
  } while (status == 0 && head.tag != tag);
  if (status != 0) {
    return status == TINYOPS_SETTINGS_ERR_FLASH ? status : TINYOPS_SETTINGS_ERR_NONE;
  }
  if (head.bytes > room) {
    return TINYOPS_SETTINGS_ERR_ROOM;
  }
  return read_flash(s, start + head.at, value, head.bytes) == 0 ? (int32_t)head.bytes
                                                                : TINYOPS_SETTINGS_ERR_FLASH;
}

/* The header of what is being written, without its CRC. */
static void start_header(const tinyops_settings *s, uint8_t *raw) {
  tinyops_put32(raw, TINYOPS_SETTINGS_MAGIC);
  tinyops_put32(raw + 4, s->current == NO_COPY ? 1u : s->sequence + 1u);
  tinyops_put32(raw + 8, s->announced);
}

int32_t tinyops_settings_begin(tinyops_settings *s, uint32_t length) {
  const uint32_t half = s->bytes / 2u;
  const uint32_t unit = s->flash->program_bytes;
  s->target = NO_COPY;
  if (length == 0u || length > TINYOPS_SETTINGS_VALUES_MAX ||
      padded(length, unit) > half - padded(HEADER_BYTES, unit)) {
    return TINYOPS_SETTINGS_ERR_BYTES;
  }
  const uint32_t spare = s->current == s->origin ? s->origin + half : s->origin;
  if (s->flash->erase(s->context, spare, half) != 0) {
    return TINYOPS_SETTINGS_ERR_FLASH;
  }
  s->target = spare;
  s->announced = length;
  s->given = s->filled = 0;
  uint8_t raw[HEADER_BYTES];
  start_header(s, raw);
  s->crc = tinyops_crc32_more(TINYOPS_CRC32_START, raw, HEADER_BYTES - 4u);
  return 0;
}

/* Programs what the buffer holds, padded to whole units, as the values up to `given`. */
static int32_t flush(tinyops_settings *s) {
  const uint32_t count = padded(s->filled, s->flash->program_bytes);
  const uint32_t address = values_at(s, s->target) + s->given - s->filled;
  for (uint32_t i = s->filled; i < count; i++) {
    s->unit[i] = BLANK;
  }
  s->filled = 0;
  return s->flash->program(s->context, address, s->unit, count) == 0 ? 0
                                                                     : TINYOPS_SETTINGS_ERR_FLASH;
}

int32_t tinyops_settings_put(tinyops_settings *s, const uint8_t *bytes, uint32_t count) {
  if (s->target == NO_COPY || count > s->announced - s->given) {
    s->target = NO_COPY;
    return TINYOPS_SETTINGS_ERR_BYTES;
  }
  s->crc = tinyops_crc32_more(s->crc, bytes, count);
  for (uint32_t i = 0; i < count; i++) {
    s->unit[s->filled++] = bytes[i];
    s->given++;
    if ((s->filled == s->unit_bytes || s->given == s->announced) && flush(s) != 0) {
      s->target = NO_COPY;
      return TINYOPS_SETTINGS_ERR_FLASH;
    }
  }
  return 0;
}

/* Whether the written values are heads and values without a gap, with ascending tags. */
static int32_t check_values(tinyops_settings *s) {
  value_head head = {0, 0, 0};
  int32_t last = -1;
  int32_t status = 0;
  while (status == 0 && head.at + head.bytes < s->announced) {
    status = read_head(s, values_at(s, s->target), s->announced, head.at + head.bytes, &head);
    if (status == 0 && (int32_t)head.tag <= last) {
      status = TINYOPS_SETTINGS_ERR_VALUE;
    }
    last = (int32_t)head.tag;
  }
  return status;
}

/* Programs the header, with the CRC of what was given: flash that holds anything else has no whole
 * copy there. */
static int32_t write_header(tinyops_settings *s) {
  const uint32_t count = padded(HEADER_BYTES, s->flash->program_bytes);
  for (uint32_t i = HEADER_BYTES; i < count; i++) {
    s->unit[i] = BLANK;
  }
  start_header(s, s->unit);
  tinyops_put32(s->unit + HEADER_BYTES - 4u, ~s->crc);
  return s->flash->program(s->context, s->target, s->unit, count) == 0 ? 0
                                                                       : TINYOPS_SETTINGS_ERR_FLASH;
}

int32_t tinyops_settings_commit(tinyops_settings *s) {
  const uint32_t copy = s->target;
  copy_header header = {0, 0, 0};
  int32_t status = TINYOPS_SETTINGS_ERR_BYTES;
  if (copy != NO_COPY && s->given == s->announced) {
    status = check_values(s);
  }
  if (status == 0) {
    status = write_header(s);
  }
  s->target = NO_COPY;
  if (status == 0 && read_copy(s, copy, &header) != 0) {
    status = TINYOPS_SETTINGS_ERR_FLASH;
  }
  if (status == 0) {
    s->current = copy;
    s->sequence = header.sequence;
    s->length = header.length;
  }
  return status;
}

int32_t tinyops_settings_take_piece(tinyops_settings *s, uint32_t offset, uint32_t length,
                                    const uint8_t *bytes, uint32_t count) {
  int32_t status = offset == 0u ? tinyops_settings_begin(s, length) : 0;
  if (status == 0 && (s->target == NO_COPY || offset != s->given || length != s->announced)) {
    status = TINYOPS_SETTINGS_ERR_BYTES;
  }
  if (status == 0) {
    status = tinyops_settings_put(s, bytes, count);
  }
  if (status == 0 && s->given == s->announced) {
    status = tinyops_settings_commit(s);
  }
  if (status != 0) {
    s->target = NO_COPY;
    return status;
  }
  return (int32_t)(offset + count);
}

/* Secrets have the highest tags: what stands before the first of them is for everybody. */
static int32_t public_length(tinyops_settings *s, uint32_t *length) {
  value_head head = {0, 0, 0};
  int32_t status = 0;
  do {
    *length = head.at + head.bytes;
    status = read_head(s, values_at(s, s->current), s->length, *length, &head);
  } while (status == 0 && head.tag < TINYOPS_SETTINGS_SECRET_FROM);
  return status == TINYOPS_SETTINGS_ERR_FLASH ? status : 0;
}

int32_t tinyops_settings_give_piece(tinyops_settings *s, uint32_t offset, uint8_t *bytes,
                                    uint32_t room, uint32_t *length) {
  *length = 0;
  if (s->current == NO_COPY) {
    return TINYOPS_SETTINGS_ERR_NONE;
  }
  if (public_length(s, length) != 0) {
    return TINYOPS_SETTINGS_ERR_FLASH;
  }
  if (offset > *length) {
    return TINYOPS_SETTINGS_ERR_BYTES;
  }
  const uint32_t left = *length - offset;
  const uint32_t count = left < room ? left : room;
  if (count != 0u && read_flash(s, values_at(s, s->current) + offset, bytes, count) != 0) {
    return TINYOPS_SETTINGS_ERR_FLASH;
  }
  return (int32_t)count;
}
