/* Signed entries; see entry.h. */
#include "tinyops/fetch/entry.h"

#include "reading.h"

enum { FORM = TINYOPS_ENTRY_ERR_FORM };

/* -- The signed part ------------------------------------------------------------------------- */

enum { HAS_TAG = 1, HAS_ASSET = 2, HAS_DIGEST = 4, HAS_BYTES = 8, HAS_KIND = 16, HAS_FILE = 31 };

static int32_t read_kind(tinyops_json *json, uint8_t *is_image) {
  tinyops_json_text text;
  if (tinyops_json_read_text(json, &text) != 0) {
    return FORM;
  }
  *is_image = tinyops_json_is(text, "image") != 0;
  return 0;
}

static int32_t read_model(tinyops_json *json, tinyops_entry *entry) {
  tinyops_json_members members = {{0, 0}, 0};
  uint32_t found = 0;
  int32_t more = 0, status = 0;
  while (status == 0 && (more = tinyops_json_next(json, &members)) == 1) {
    if (tinyops_json_is(members.key, "tag")) {
      found |= HAS_TAG;
      status = tinyops_read_name(json, &entry->tag, TINYOPS_ENTRY_TAG_MAX);
    } else if (tinyops_json_is(members.key, "asset")) {
      found |= HAS_ASSET;
      status = tinyops_read_name(json, &entry->asset, TINYOPS_ENTRY_ASSET_MAX);
    } else if (tinyops_json_is(members.key, "sha256")) {
      found |= HAS_DIGEST;
      status = tinyops_read_hex(json, entry->model_digest, TINYOPS_ENTRY_DIGEST_BYTES);
    } else if (tinyops_json_is(members.key, "bytes")) {
      found |= HAS_BYTES;
      status = tinyops_json_read_number(json, &entry->model_bytes);
    } else if (tinyops_json_is(members.key, "kind")) {
      found |= HAS_KIND;
      status = read_kind(json, &entry->model_is_image);
    } else {
      status = tinyops_json_skip(json);
    }
  }
  return status == 0 && more == 0 && found == HAS_FILE ? 0 : FORM;
}

static int32_t read_schema(tinyops_json *json) {
  tinyops_json_text text;
  if (tinyops_json_read_text(json, &text) != 0) {
    return FORM;
  }
  return tinyops_json_is(text, "tinyops/entry/v1") ? 0 : TINYOPS_ENTRY_ERR_SCHEMA;
}

/* Which member has which place among those that must be there; the others may be absent. */
enum { VERSION = 1, COUNTER = 2, CONTRACT = 4, MODEL = 8, CONTENT = 15 };
enum { PROJECT = 16, FLEET = 32, BOARD = 64, SCHEMA = 128, ALL = 255 };

static int32_t read_content_member(tinyops_json *json, tinyops_json_text key, tinyops_entry *entry,
                                   uint32_t *found) {
  if (tinyops_json_is(key, "version")) {
    *found |= VERSION;
    return tinyops_json_read_number(json, &entry->version);
  }
  if (tinyops_json_is(key, "security_counter")) {
    *found |= COUNTER;
    return tinyops_json_read_number(json, &entry->counter);
  }
  if (tinyops_json_is(key, "contract")) {
    *found |= CONTRACT;
    return tinyops_read_hex(json, entry->contract, TINYOPS_ENTRY_DIGEST_BYTES);
  }
  if (tinyops_json_is(key, "model")) {
    *found |= MODEL;
    return read_model(json, entry);
  }
  return tinyops_json_skip(json);
}

int32_t tinyops_read_content(tinyops_json *json, tinyops_entry *content) {
  tinyops_json_members members = {{0, 0}, 0};
  uint32_t found = 0;
  int32_t more = 0, status = 0;
  *content = (tinyops_entry){.version = 0};
  while (status == 0 && (more = tinyops_json_next(json, &members)) == 1) {
    status = read_content_member(json, members.key, content, &found);
  }
  return status == 0 && more == 0 && found == CONTENT ? 0 : FORM;
}

/* Null: the content is everybody's. A reader that was given no room knows of no waves. */
static int32_t read_waves(tinyops_json *json, tinyops_rollout *rollout) {
  if (tinyops_json_is_null(json)) {
    return 0;
  }
  return rollout != 0 ? tinyops_read_rollout(json, rollout) : TINYOPS_ENTRY_ERR_SCHEMA;
}

static int32_t read_member(tinyops_json *json, tinyops_json_text key, tinyops_entry *entry,
                           tinyops_rollout *rollout, uint32_t *found) {
  if (tinyops_json_is(key, "project")) {
    *found |= PROJECT;
    return tinyops_read_name(json, &entry->project, TINYOPS_ENTRY_NAME_MAX);
  }
  if (tinyops_json_is(key, "fleet")) {
    *found |= FLEET;
    return tinyops_read_name(json, &entry->fleet, TINYOPS_ENTRY_NAME_MAX);
  }
  if (tinyops_json_is(key, "board")) {
    *found |= BOARD;
    return tinyops_read_name(json, &entry->board, TINYOPS_ENTRY_NAME_MAX);
  }
  if (tinyops_json_is(key, "schema")) {
    *found |= SCHEMA;
    return read_schema(json);
  }
  if (tinyops_json_is(key, "expires")) {
    return tinyops_read_time(json, &entry->expires_s);
  }
  if (tinyops_json_is(key, "rollout")) {
    return read_waves(json, rollout);
  }
  return read_content_member(json, key, entry, found);
}

static int32_t read_signed(tinyops_entry *entry, tinyops_rollout *rollout,
                           tinyops_json_text signed_part) {
  tinyops_json json = {signed_part.bytes, signed_part.count, 0};
  tinyops_json_members members = {{0, 0}, 0};
  uint32_t found = 0;
  int32_t more = 0;
  *entry = (tinyops_entry){.version = 0};
  if (rollout != 0) {
    *rollout = (tinyops_rollout){.id = 0};
  }
  while ((more = tinyops_json_next(&json, &members)) == 1) {
    const int32_t status = read_member(&json, members.key, entry, rollout, &found);
    if (status != 0) {
      return status == TINYOPS_ENTRY_ERR_SCHEMA ? status : FORM;
    }
  }
  return more == 0 && json.at == json.count && found == ALL ? 0 : FORM;
}

int32_t tinyops_entry_read(tinyops_entry *entry, tinyops_rollout *rollout, const uint8_t *bytes,
                           uint32_t count, const tinyops_boot_table *crypto, const uint8_t *keys,
                           uint32_t key_count) {
  tinyops_json_text signed_part = {0, 0};
  const int32_t status = tinyops_open_envelope(&signed_part, bytes, count, crypto, keys, key_count);
  return status == 0 ? read_signed(entry, rollout, signed_part) : status;
}
