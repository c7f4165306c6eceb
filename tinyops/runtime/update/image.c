/* Images in MCUboot's format; tinyops/images/definition.py says what is in them. */
#include "image.h"

#include "bytes.h"
#include "tinyops/boot.h"
#include "tinyops/little_endian.h"

enum { PAUSE_EVERY = 4096, AREAS = 2 };

/* What an image may have; `area` 0 is under the digest. A value outside of it must be needed and
 * have one length: so no bit of an accepted image goes unproved. */
static const struct {
  uint8_t type, least, most, area;
} known[TINYOPS_TLVS] = {
    {TINYOPS_IMAGE_TLV_COUNTER, 4, 4, 0},
    {TINYOPS_IMAGE_TLV_CONTRACT, TINYOPS_IMAGE_DIGEST_BYTES, TINYOPS_IMAGE_DIGEST_BYTES, 0},
    {TINYOPS_IMAGE_TLV_BOARD, 1, TINYOPS_IMAGE_BOARD_MAX, 0},
    {TINYOPS_IMAGE_TLV_GOLDEN, 8, 8, 0},
    {TINYOPS_IMAGE_TLV_KIND, 1, 1, 0},
    {TINYOPS_IMAGE_TLV_SHA256, TINYOPS_IMAGE_DIGEST_BYTES, TINYOPS_IMAGE_DIGEST_BYTES, 1},
    {TINYOPS_IMAGE_TLV_KEY_HASH, TINYOPS_IMAGE_DIGEST_BYTES, TINYOPS_IMAGE_DIGEST_BYTES, 1},
    {TINYOPS_IMAGE_TLV_ED25519, TINYOPS_IMAGE_SIGNATURE_BYTES, TINYOPS_IMAGE_SIGNATURE_BYTES, 1},
};
static const uint16_t magics[AREAS] = {TINYOPS_IMAGE_PROTECTED_MAGIC, TINYOPS_IMAGE_TLV_MAGIC};

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

int32_t tinyops_bytes_differ(const uint8_t *a, const uint8_t *b, uint32_t count) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; i++) {
    found |= (uint32_t)(a[i] ^ b[i]);
  }
  return found != 0;
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

/* One TLV: `head` is its type and length, `at` its value's address, `left` bytes follow the head.
 */
static int32_t take_tlv(tinyops_image *image, const uint8_t *head, uint32_t area, uint32_t at,
                        uint32_t left) {
  const uint32_t length = tinyops_get16(head + 2);
  for (uint32_t i = 0; i < TINYOPS_TLVS; i++) {
    if (known[i].type == tinyops_get16(head) && known[i].area == area) {
      if (image->at[i] != 0u || length < known[i].least || length > known[i].most ||
          length > left) {
        break; /* one that stands twice could be read either way */
      }
      image->at[i] = at;
      if (i == TINYOPS_TLV_BOARD) {
        image->board_bytes = length;
      }
      return TINYOPS_SLOTS_OK;
    }
  }
  return TINYOPS_SLOTS_ERR_IMAGE;
}

/* Walks an area of TLVs at `at`, with at most `room` bytes. Puts its length into `bytes`. */
static int32_t walk(tinyops_slots *s, tinyops_image *image, uint32_t area, uint32_t at,
                    uint32_t room, uint32_t *bytes) {
  uint8_t head[TINYOPS_IMAGE_TLV_HEAD_BYTES];
  if (room < TINYOPS_IMAGE_AREA_HEAD_BYTES) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  int32_t status = read_flash(s, at, head, sizeof head);
  *bytes = tinyops_get16(head + 2);
  if (status == TINYOPS_SLOTS_OK &&
      (tinyops_get16(head) != magics[area] || *bytes < TINYOPS_IMAGE_AREA_HEAD_BYTES ||
       *bytes > TINYOPS_IMAGE_AREA_MAX || *bytes > room)) {
    return TINYOPS_SLOTS_ERR_IMAGE;
  }
  uint32_t left = *bytes - TINYOPS_IMAGE_AREA_HEAD_BYTES;
  at += TINYOPS_IMAGE_AREA_HEAD_BYTES;
  while (status == TINYOPS_SLOTS_OK && left != 0u) {
    if (left < sizeof head) {
      return TINYOPS_SLOTS_ERR_IMAGE;
    }
    status = read_flash(s, at, head, sizeof head);
    at += (uint32_t)sizeof head;
    left -= (uint32_t)sizeof head;
    if (status == TINYOPS_SLOTS_OK) {
      status = take_tlv(image, head, area, at, left);
    }
    const uint32_t length = tinyops_get16(head + 2);
    at += length;
    left -= length;
  }
  return status;
}

/* Reads the values of the TLVs that were found. */
static int32_t read_values(tinyops_slots *s, tinyops_image *image) {
  uint8_t raw[8] = {0};
  tinyops_image_info *info = &image->info;
  int32_t status = read_flash(s, image->at[TINYOPS_TLV_COUNTER], raw, 4);
  info->counter = tinyops_get32(raw);
  status |= read_flash(s, image->at[TINYOPS_TLV_KIND], raw, 1);
  info->kind = raw[0];
  if (image->at[TINYOPS_TLV_GOLDEN] != 0u) {
    status |= read_flash(s, image->at[TINYOPS_TLV_GOLDEN], raw, 8);
    info->has_golden = 1;
    info->golden_seed = tinyops_get32(raw);
    info->golden_crc = tinyops_get32(raw + 4);
  }
  status |= read_flash(s, image->at[TINYOPS_TLV_SHA256], info->digest, sizeof info->digest);
  status |= read_flash(s, image->at[TINYOPS_TLV_CONTRACT], info->contract, sizeof info->contract);
  if (status != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  const int32_t is_fixed = image->flags != 0u;
  const int32_t is_one =
      info->kind == TINYOPS_IMAGE_FIRMWARE
          ? is_fixed
          : info->kind == TINYOPS_IMAGE_MODEL && !is_fixed && info->load_address == 0u;
  return is_one ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_IMAGE;
}

static int32_t has_what_it_needs(const tinyops_image *image) {
  const uint32_t *at = image->at;
  return at[TINYOPS_TLV_COUNTER] != 0u && at[TINYOPS_TLV_CONTRACT] != 0u &&
         at[TINYOPS_TLV_BOARD] != 0u && at[TINYOPS_TLV_KIND] != 0u &&
         at[TINYOPS_TLV_SHA256] != 0u &&
         (at[TINYOPS_TLV_KEY_HASH] != 0u) == (at[TINYOPS_TLV_ED25519] != 0u);
}

int32_t tinyops_image_read(tinyops_slots *s, uint32_t number, uint32_t slot, tinyops_image *image) {
  uint8_t raw[TINYOPS_IMAGE_HEADER_MIN];
  if (number >= TINYOPS_SLOTS_IMAGES || slot >= TINYOPS_SLOTS_EACH ||
      s->slots[number][slot].bytes < sizeof raw) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  const tinyops_slot *place = &s->slots[number][slot];
  int32_t status = read_flash(s, place->origin, raw, sizeof raw);
  if (status == TINYOPS_SLOTS_OK) {
    status = tinyops_image_take_header(image, raw, place->bytes);
  }
  uint32_t bytes = 0;
  uint32_t end = image->info.header_bytes + image->info.body_bytes;
  for (uint32_t area = 0; area < AREAS && status == TINYOPS_SLOTS_OK; area++) {
    image->digested = end;
    status = walk(s, image, area, place->origin + end, place->bytes - end, &bytes);
    end += bytes;
    if (area == 0u && bytes != image->protected_bytes) {
      status = TINYOPS_SLOTS_ERR_IMAGE;
    }
  }
  if (status == TINYOPS_SLOTS_OK) {
    image->info.total_bytes = end;
    status = has_what_it_needs(image) ? read_values(s, image) : TINYOPS_SLOTS_ERR_IMAGE;
  }
  return status;
}

/* Whether an image names this board. */
static int32_t check_board(tinyops_slots *s, const tinyops_image *image) {
  uint8_t name[TINYOPS_IMAGE_BOARD_MAX];
  const uint32_t count = image->board_bytes;
  if (read_flash(s, image->at[TINYOPS_TLV_BOARD], name, count) != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  uint32_t i = 0;
  while (i < count && s->board[i] != '\0' && (uint8_t)s->board[i] == name[i]) {
    i++;
  }
  return i == count && s->board[i] == '\0' ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_BOARD;
}

int32_t tinyops_image_judge(tinyops_slots *s, uint32_t number, uint32_t slot,
                            tinyops_image *image) {
  int32_t status = tinyops_image_read(s, number, slot, image);
  if (status == TINYOPS_SLOTS_OK) {
    status = tinyops_image_fits_slot(image, number, &s->slots[number][slot]);
  }
  if (status == TINYOPS_SLOTS_OK) {
    status = check_board(s, image);
  }
  if (status != TINYOPS_SLOTS_OK) {
    return status;
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

/* A key as its hash has it: DER's SubjectPublicKeyInfo; `count` is all of it, in one piece. */
static void read_key(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  static const uint8_t prefix[TINYOPS_IMAGE_KEY_PREFIX_BYTES] = TINYOPS_IMAGE_KEY_PREFIX;
  const uint8_t *key = (const uint8_t *)context;
  for (uint32_t i = 0; i < count; i++, at++) {
    bytes[i] = at < sizeof prefix ? prefix[at] : key[at - (uint32_t)sizeof prefix];
  }
}

int32_t tinyops_image_check_signature(tinyops_slots *s, const tinyops_image *image) {
  uint8_t wanted[TINYOPS_IMAGE_DIGEST_BYTES];
  uint8_t found[TINYOPS_IMAGE_DIGEST_BYTES];
  uint8_t signature[TINYOPS_IMAGE_SIGNATURE_BYTES];
  if (image->at[TINYOPS_TLV_ED25519] == 0u) {
    return TINYOPS_SLOTS_ERR_SIGNATURE;
  }
  int32_t status = read_flash(s, image->at[TINYOPS_TLV_KEY_HASH], wanted, sizeof wanted);
  status |= read_flash(s, image->at[TINYOPS_TLV_ED25519], signature, sizeof signature);
  if (status != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  for (uint32_t i = 0; i < s->key_count; i++) {
    /* The key's name is looked for first: a check of a signature takes a second on a Cortex-M0. */
    uint8_t key[TINYOPS_SLOTS_KEY_BYTES];
    tinyops_bytes_copy(key, s->keys + i * TINYOPS_SLOTS_KEY_BYTES, sizeof key);
    s->crypto->sha256_of(read_key, key, TINYOPS_IMAGE_KEY_PREFIX_BYTES + sizeof key, found);
    if (!tinyops_bytes_differ(found, wanted, sizeof found)) {
      const int32_t right =
          s->crypto->ed25519_verify(signature, key, image->info.digest, sizeof wanted) == 0;
      return right ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_SIGNATURE;
    }
  }
  return TINYOPS_SLOTS_ERR_SIGNATURE;
}
