/* Images in MCUboot's format; tinyops/images/definition.py says what is in them. */
#include "image.h"

#include <stddef.h>

#include "bytes.h"
#include "tinyops/boot.h"
#include "tinyops/little_endian.h"

enum { PAUSE_EVERY = 4096, AREAS = 2, TLVS = 8 };
#define TO(field) offsetof(tinyops_image, field)
/* Both numbers of a self-test are read in one. */
typedef char crc_follows_seed[TO(info.golden_crc) == TO(info.golden_seed) + 4 ? 1 : -1];

/* What an image may have, and where it is kept. All of area 0 is under the digest; of area 1 each
 * is needed and has one length: so no bit of an accepted image goes unproved. */
static const struct {
  uint8_t type, least, most, area;
  uint16_t to;
} known[TLVS] = {
    {TINYOPS_IMAGE_TLV_COUNTER, 4, 4, 0, TO(info.counter)},
    {TINYOPS_IMAGE_TLV_CONTRACT, 32, 32, 0, TO(info.contract)},
    {TINYOPS_IMAGE_TLV_BOARD, 1, TINYOPS_IMAGE_BOARD_MAX, 0, TO(board)},
    {TINYOPS_IMAGE_TLV_KIND, 1, 1, 0, TO(kind)},
    {TINYOPS_IMAGE_TLV_SHA256, 32, 32, 1, TO(info.digest)},
    {TINYOPS_IMAGE_TLV_GOLDEN, 8, 8, 0, TO(info.golden_seed)},
    {TINYOPS_IMAGE_TLV_KEY_HASH, 32, 32, 1, TO(key_hash)},
    {TINYOPS_IMAGE_TLV_ED25519, 64, 64, 1, TO(signature)},
};
#define NEEDED 0x1fu /* the first five */
#define GOLDEN 0x20u
#define SIGNED 0xc0u /* both or none */

void tinyops_bytes_copy(uint8_t *to, const uint8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = from[i];
  }
}

void tinyops_bytes_fill(uint8_t *to, uint8_t value, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = value;
  }
}

int32_t tinyops_bytes_any(const uint8_t *bytes, uint32_t count) {
  uint32_t found = 0;
  while (count-- > 0u) {
    found |= bytes[count];
  }
  return found != 0u;
}

static int32_t read_flash(tinyops_slots *s, uint32_t address, uint8_t *bytes, uint32_t count) {
  return s->flash->read(s->context, address, bytes, count) == 0 ? TINYOPS_SLOTS_OK
                                                                : TINYOPS_SLOTS_ERR_FLASH;
}

int32_t tinyops_image_take_header(tinyops_image *image, const uint8_t *raw, uint32_t room) {
  tinyops_image_info *info = &image->info;
  tinyops_bytes_fill((uint8_t *)image, 0, sizeof *image);
  info->load_address = tinyops_get32(raw + TINYOPS_IMAGE_AT_LOAD_ADDRESS);
  info->header_bytes = tinyops_get16(raw + TINYOPS_IMAGE_AT_HEADER_BYTES);
  image->protected_bytes = tinyops_get16(raw + TINYOPS_IMAGE_AT_PROTECTED_BYTES);
  info->body_bytes = tinyops_get32(raw + TINYOPS_IMAGE_AT_BODY_BYTES);
  image->flags = tinyops_get32(raw + TINYOPS_IMAGE_AT_FLAGS);
  info->major = raw[TINYOPS_IMAGE_AT_MAJOR];
  info->minor = raw[TINYOPS_IMAGE_AT_MINOR];
  info->revision = tinyops_get16(raw + TINYOPS_IMAGE_AT_REVISION);
  info->build = tinyops_get32(raw + TINYOPS_IMAGE_AT_BUILD);
  const uint32_t rest = tinyops_get32(raw + TINYOPS_IMAGE_AT_BUILD + 4);
  if (tinyops_get32(raw) != TINYOPS_IMAGE_MAGIC || rest != 0u ||
      info->header_bytes < TINYOPS_IMAGE_HEADER_MIN ||
      info->header_bytes > TINYOPS_IMAGE_HEADER_MAX || info->header_bytes % 4u != 0u ||
      info->body_bytes == 0u || info->body_bytes > TINYOPS_IMAGE_BODY_MAX ||
      info->header_bytes + info->body_bytes > room ||
      (image->flags != 0u && image->flags != TINYOPS_IMAGE_FLAG_ROM_FIXED)) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  return TINYOPS_SLOTS_OK;
}

int32_t tinyops_image_fits_slot(const tinyops_image *image, uint32_t number,
                                const tinyops_slot *slot) {
  const uint32_t flags = number == TINYOPS_IMAGE_FIRMWARE ? TINYOPS_IMAGE_FLAG_ROM_FIXED : 0u;
  if (image->flags != flags) {
    return TINYOPS_SLOTS_ERR_KIND;
  }
  return flags == 0u || image->info.load_address == slot->origin ? TINYOPS_SLOTS_OK
                                                                 : TINYOPS_SLOTS_ERR_ADDRESS;
}

/* Reads one TLV of an area at `at`, which has `room` bytes left. Returns its length, with its head,
 * or a status. */
static int32_t take_tlv(tinyops_slots *s, tinyops_image *image, uint32_t area, uint32_t at,
                        uint32_t room) {
  uint8_t head[TINYOPS_IMAGE_TLV_HEAD_BYTES];
  if (room < sizeof head) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  if (read_flash(s, at, head, sizeof head) != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  const uint32_t length = tinyops_get16(head + 2);
  uint32_t i = 0;
  while (i < TLVS && (known[i].type != tinyops_get16(head) || known[i].area != area)) {
    i++;
  }
  /* One that stands twice could be read either way, one that nobody knows would count for nothing.
   */
  if (i == TLVS || (image->found >> i & 1u) != 0u || length < known[i].least ||
      length > known[i].most || length > room - (uint32_t)sizeof head) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  image->found |= 1u << i;
  if (known[i].type == TINYOPS_IMAGE_TLV_BOARD) {
    image->board_bytes = length;
  }
  const int32_t status =
      read_flash(s, at + (uint32_t)sizeof head, (uint8_t *)image + known[i].to, length);
  return status == TINYOPS_SLOTS_OK ? (int32_t)(sizeof head + length) : status;
}

/* Reads an area of TLVs at `at`, with at most `room` bytes. Returns its length, or a status. */
static int32_t take_area(tinyops_slots *s, tinyops_image *image, uint32_t area, uint32_t at,
                         uint32_t room) {
  uint8_t head[TINYOPS_IMAGE_AREA_HEAD_BYTES];
  if (room < sizeof head) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  if (read_flash(s, at, head, sizeof head) != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  const uint32_t magic = area == 0u ? TINYOPS_IMAGE_PROTECTED_MAGIC : TINYOPS_IMAGE_TLV_MAGIC;
  const uint32_t bytes = tinyops_get16(head + 2);
  if (tinyops_get16(head) != magic || bytes < sizeof head || bytes > TINYOPS_IMAGE_AREA_MAX ||
      bytes > room || (area == 0u && bytes != image->protected_bytes)) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  for (uint32_t done = (uint32_t)sizeof head; done != bytes;) {
    const int32_t taken = take_tlv(s, image, area, at + done, bytes - done);
    if (taken < 0) {
      return taken;
    }
    done += (uint32_t)taken;
  }
  return (int32_t)bytes;
}

/* Whether everything is there and goes together. */
static int32_t check_form(tinyops_image *image) {
  tinyops_image_info *info = &image->info;
  const uint32_t is_signed = image->found & SIGNED;
  info->counter = tinyops_get32((const uint8_t *)&info->counter);
  info->golden_seed = tinyops_get32((const uint8_t *)&info->golden_seed);
  info->golden_crc = tinyops_get32((const uint8_t *)&info->golden_crc);
  info->has_golden = (image->found & GOLDEN) != 0u;
  info->kind = image->kind;
  const uint32_t flags = info->kind == TINYOPS_IMAGE_FIRMWARE ? TINYOPS_IMAGE_FLAG_ROM_FIXED : 0u;
  const int32_t good = (image->found & NEEDED) == NEEDED &&
                       (is_signed == 0u || is_signed == SIGNED) &&
                       info->kind <= TINYOPS_IMAGE_MODEL && image->flags == flags &&
                       (flags != 0u || info->load_address == 0u);
  return good ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_IMAGE;
}

int32_t tinyops_image_read(tinyops_slots *s, uint32_t number, uint32_t slot, tinyops_image *image) {
  uint8_t raw[TINYOPS_IMAGE_HEADER_MIN];
  if (number >= TINYOPS_SLOTS_IMAGES || slot >= TINYOPS_SLOTS_EACH ||
      s->slots[number][slot].bytes < sizeof raw) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  const tinyops_slot *place = &s->slots[number][slot];
  if (read_flash(s, place->origin, raw, sizeof raw) != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  int32_t status = tinyops_image_take_header(image, raw, place->bytes);
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  uint32_t end = image->info.header_bytes + image->info.body_bytes;
  for (uint32_t area = 0; area < AREAS; area++) {
    image->digested = end;
    status = take_area(s, image, area, place->origin + end, place->bytes - end);
    if (status < 0) {
      return status;
    }
    end += (uint32_t)status;
  }
  image->info.total_bytes = end;
  return check_form(image);
}

/* Whether an image names this board. */
static int32_t names_board(const tinyops_slots *s, const tinyops_image *image) {
  uint32_t i = 0;
  while (i < image->board_bytes && s->board[i] != '\0' && (uint8_t)s->board[i] == image->board[i]) {
    i++;
  }
  return i == image->board_bytes && s->board[i] == '\0';
}

int32_t tinyops_image_judge(tinyops_slots *s, uint32_t number, uint32_t slot,
                            tinyops_image *image) {
  int32_t status = tinyops_image_read(s, number, slot, image);
  if (status == TINYOPS_SLOTS_OK) {
    status = tinyops_image_fits_slot(image, number, &s->slots[number][slot]);
  }
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  if (!names_board(s, image)) {
    return TINYOPS_SLOTS_ERR_BOARD;
  }
  if (number == TINYOPS_IMAGE_MODEL && s->contract != 0 &&
      tinyops_bytes_differ(image->info.contract, s->contract, TINYOPS_SLOTS_DIGEST_BYTES)) {
    return TINYOPS_SLOTS_ERR_CONTRACT;
  }
  return image->info.counter >= s->images[number].counter ? TINYOPS_SLOTS_OK
                                                          : TINYOPS_SLOTS_ERR_COUNTER;
}

typedef struct {
  tinyops_slots *slots;
  uint32_t origin;
  int32_t status;
} flash_reader;

static void read_piece(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  flash_reader *reader = (flash_reader *)context;
  tinyops_slots *s = reader->slots;
  if (at % PAUSE_EVERY == 0u && s->pause != 0) {
    s->pause(s->context);
  }
  reader->status |= read_flash(s, reader->origin + at, bytes, count);
}

int32_t tinyops_image_check_digest(tinyops_slots *s, const tinyops_slot *slot,
                                   const tinyops_image *image) {
  uint8_t digest[TINYOPS_SLOTS_DIGEST_BYTES];
  flash_reader reader = {s, slot->origin, TINYOPS_SLOTS_OK};
  s->crypto->sha256_of(read_piece, &reader, image->digested, digest);
  if (reader.status != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  return tinyops_bytes_differ(digest, image->info.digest, sizeof digest) ? TINYOPS_SLOTS_ERR_DIGEST
                                                                         : TINYOPS_SLOTS_OK;
}

typedef struct {
  const uint8_t *key;
} key_reader;

/* A key as its hash has it: DER's SubjectPublicKeyInfo. */
static void read_key(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  static const uint8_t prefix[TINYOPS_IMAGE_KEY_PREFIX_BYTES] = TINYOPS_IMAGE_KEY_PREFIX;
  const uint8_t *key = ((const key_reader *)context)->key;
  for (uint32_t i = 0; i < count; i++, at++) {
    bytes[i] = at < sizeof prefix ? prefix[at] : key[at - (uint32_t)sizeof prefix];
  }
}

int32_t tinyops_image_check_signature(const tinyops_slots *s, const tinyops_image *image) {
  uint8_t hash[TINYOPS_IMAGE_DIGEST_BYTES];
  const uint8_t *digest = image->info.digest;
  for (uint32_t i = 0; i < s->key_count && (image->found & SIGNED) != 0u; i++) {
    /* The key's name is looked for first: a check of a signature takes a second on a Cortex-M0. */
    key_reader reader = {s->keys + i * TINYOPS_SLOTS_KEY_BYTES};
    s->crypto->sha256_of(read_key, &reader,
                         TINYOPS_IMAGE_KEY_PREFIX_BYTES + TINYOPS_SLOTS_KEY_BYTES, hash);
    if (!tinyops_bytes_differ(hash, image->key_hash, sizeof hash)) {
      return s->crypto->ed25519_verify(image->signature, reader.key, digest, sizeof hash) == 0
                 ? TINYOPS_SLOTS_OK
                 : TINYOPS_SLOTS_ERR_SIGNATURE;
    }
  }
  return TINYOPS_SLOTS_ERR_SIGNATURE;
}
