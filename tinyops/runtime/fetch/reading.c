/* What signed documents have in common; see reading.h. */
#include "reading.h"

#include "tinyops/fetch/clock.h"

enum { FORM = TINYOPS_ENTRY_ERR_FORM, SIGNATURE_BYTES = 64, TIME_CHARACTERS = 20 };
enum { KEY_BYTES = TINYOPS_ROLLOUT_KEY_BYTES };

/* -- Text that must look like something ------------------------------------------------------ */

static int32_t digit_of(uint8_t c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int32_t tinyops_read_hex(tinyops_json *json, uint8_t *bytes, uint32_t count) {
  tinyops_json_text text;
  if (tinyops_json_read_text(json, &text) != 0 || text.count != 2u * count) {
    return FORM;
  }
  for (uint32_t i = 0; i < count; i++) {
    const int32_t high = digit_of(text.bytes[2u * i]), low = digit_of(text.bytes[2u * i + 1u]);
    if (high < 0 || low < 0) {
      return FORM;
    }
    bytes[i] = (uint8_t)(high << 4 | low);
  }
  return 0;
}

int32_t tinyops_read_name(tinyops_json *json, tinyops_json_text *text, uint32_t most) {
  if (tinyops_json_read_text(json, text) != 0 || text->count == 0 || text->count > most ||
      text->bytes[0] == '.') {
    return FORM;
  }
  for (uint32_t i = 0; i < text->count; i++) {
    const uint8_t c = text->bytes[i];
    const int32_t good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                         (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
    if (!good || (c == '.' && text->bytes[i - 1u] == '.')) {
      return FORM;
    }
  }
  return 0;
}

static int32_t number_at(const uint8_t *text, uint32_t digits) {
  int32_t number = 0;
  for (uint32_t i = 0; i < digits; i++) {
    if (text[i] < '0' || text[i] > '9') {
      return -1;
    }
    number = number * 10 + (text[i] - '0');
  }
  return number;
}

int32_t tinyops_read_time(tinyops_json *json, uint64_t *seconds) {
  static const char form[] = "dddd-dd-ddTdd:dd:ddZ";
  tinyops_json_text text;
  *seconds = 0;
  if (tinyops_json_is_null(json)) {
    return 0;
  }
  if (tinyops_json_read_text(json, &text) != 0 || text.count != TIME_CHARACTERS) {
    return FORM;
  }
  for (uint32_t i = 0; i < TIME_CHARACTERS; i++) {
    if (form[i] != 'd' && text.bytes[i] != (uint8_t)form[i]) {
      return FORM;
    }
  }
  const uint8_t *t = text.bytes;
  const tinyops_date date = {number_at(t, 4),      number_at(t + 5, 2),  number_at(t + 8, 2),
                             number_at(t + 11, 2), number_at(t + 14, 2), number_at(t + 17, 2)};
  *seconds = tinyops_clock_seconds(&date);
  return *seconds != 0 ? 0 : FORM;
}

/* -- The envelope ---------------------------------------------------------------------------- */

/* A signature, and the id of the key that made it. */
typedef struct {
  uint8_t key_id[TINYOPS_ENTRY_DIGEST_BYTES];
  uint8_t bytes[SIGNATURE_BYTES];
} signature;

static int32_t read_signature(tinyops_json *json, signature *found) {
  tinyops_json_members members = {{0, 0}, 0};
  if (tinyops_json_next(json, &members) != 1 || tinyops_json_is(members.key, "keyid") == 0 ||
      tinyops_read_hex(json, found->key_id, TINYOPS_ENTRY_DIGEST_BYTES) != 0 ||
      tinyops_json_next(json, &members) != 1 || tinyops_json_is(members.key, "sig") == 0 ||
      tinyops_read_hex(json, found->bytes, SIGNATURE_BYTES) != 0) {
    return FORM;
  }
  return tinyops_json_next(json, &members) == 0 ? 0 : FORM;
}

/* Signatures stand before what they sign: a first look finds where that begins. */
static int32_t find_signed(tinyops_json *json, tinyops_json_text *signed_part) {
  tinyops_json_members members = {{0, 0}, 0};
  if (tinyops_json_next(json, &members) != 1 || tinyops_json_is(members.key, "signatures") == 0 ||
      tinyops_json_skip(json) != 0 || tinyops_json_next(json, &members) != 1 ||
      tinyops_json_is(members.key, "signed") == 0) {
    return FORM;
  }
  /* Only its extent counts now: the last brace but one, and a newline behind. */
  uint32_t end = json->count;
  if (end > json->at && json->bytes[end - 1u] == '\n') {
    end--;
  }
  if (end < json->at + 3u || json->bytes[json->at] != '{' || json->bytes[end - 1u] != '}' ||
      json->bytes[end - 2u] != '}') {
    return FORM;
  }
  *signed_part = (tinyops_json_text){json->bytes + json->at, end - 1u - json->at};
  return 0;
}

static void read_key(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = ((const uint8_t *)context)[at + i];
  }
}

static int32_t is_of_key(const signature *found, const uint8_t *key,
                         const tinyops_boot_table *crypto) {
  uint8_t id[TINYOPS_ENTRY_DIGEST_BYTES];
  uint8_t own[KEY_BYTES];
  read_key((void *)(uintptr_t)key, 0, own, KEY_BYTES);
  crypto->sha256_of(read_key, own, KEY_BYTES, id);
  for (uint32_t i = 0; i < TINYOPS_ENTRY_DIGEST_BYTES; i++) {
    if (id[i] != found->key_id[i]) {
      return 0;
    }
  }
  return 1;
}

/* Whether it is a trusted key's over the signed part: at most one verification a key. `tried` has a
 * bit for each key that was. */
static int32_t is_trusted(const signature *found, tinyops_json_text signed_part,
                          const tinyops_boot_table *crypto, const uint8_t *keys, uint32_t key_count,
                          uint32_t *tried) {
  for (uint32_t i = 0; i < key_count; i++) {
    const uint8_t *key = keys + i * KEY_BYTES;
    if ((*tried & 1u << i) != 0 || is_of_key(found, key, crypto) == 0) {
      continue;
    }
    *tried |= 1u << i;
    return crypto->ed25519_verify(found->bytes, key, signed_part.bytes, signed_part.count) == 0;
  }
  return 0;
}

static int32_t verify(tinyops_json json, tinyops_json_text signed_part,
                      const tinyops_boot_table *crypto, const uint8_t *keys, uint32_t key_count) {
  tinyops_json_members members = {{0, 0}, 0};
  uint32_t tried = 0;
  (void)tinyops_json_next(&json, &members);
  if (tinyops_json_take(&json, '[') != 0) {
    return FORM;
  }
  for (uint32_t i = 0; i < TINYOPS_ENTRY_SIGNATURES_MAX && tinyops_json_take(&json, ']') != 0;
       i++) {
    signature found;
    if ((i != 0 && tinyops_json_take(&json, ',') != 0) || read_signature(&json, &found) != 0) {
      return FORM;
    }
    if (is_trusted(&found, signed_part, crypto, keys, key_count, &tried)) {
      return 0;
    }
  }
  return TINYOPS_ENTRY_ERR_SIGNATURE;
}

int32_t tinyops_open_envelope(tinyops_json_text *signed_part, const uint8_t *bytes, uint32_t count,
                              const tinyops_boot_table *crypto, const uint8_t *keys,
                              uint32_t key_count) {
  if (count > TINYOPS_ENTRY_MAX || key_count > TINYOPS_SLOTS_KEYS_MAX) {
    return FORM;
  }
  tinyops_json json = {bytes, count, 0};
  const tinyops_json begin = json;
  const int32_t status = find_signed(&json, signed_part);
  return status == 0 ? verify(begin, *signed_part, crypto, keys, key_count) : status;
}
