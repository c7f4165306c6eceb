/* Rollouts in waves; see rollout.h. */
#include "tinyops/fetch/rollout.h"

#include "reading.h"

enum { FORM = TINYOPS_ENTRY_ERR_FORM, DIGEST_BYTES = TINYOPS_ENTRY_DIGEST_BYTES };

/* -- The entry's part ------------------------------------------------------------------------ */

/* Steps to an array's next value, the number of which is `index`. Returns 1, 0 behind its end, or
 * negative. */
static int32_t next_item(tinyops_json *json, uint32_t index) {
  if (index == 0) {
    return tinyops_json_take(json, '[') != 0 ? FORM : tinyops_json_take(json, ']') != 0;
  }
  if (tinyops_json_take(json, ',') == 0) {
    return 1;
  }
  return tinyops_json_take(json, ']') == 0 ? 0 : FORM;
}

static int32_t read_waves(tinyops_json *json, tinyops_rollout *rollout) {
  int32_t more = 0;
  while ((more = next_item(json, rollout->wave_count)) == 1) {
    const uint32_t at = rollout->wave_count;
    if (at == TINYOPS_ROLLOUT_WAVES_MAX ||
        tinyops_json_read_number(json, &rollout->waves[at]) != 0 ||
        (at != 0 && rollout->waves[at] < rollout->waves[at - 1u])) {
      return FORM;
    }
    rollout->wave_count++;
  }
  return more == 0 && rollout->wave_count != 0 ? 0 : FORM;
}

static int32_t read_keys(tinyops_json *json, tinyops_rollout *rollout) {
  int32_t more = 0;
  while ((more = next_item(json, rollout->key_count)) == 1) {
    uint8_t *key = rollout->keys + (uint32_t)rollout->key_count * TINYOPS_ROLLOUT_KEY_BYTES;
    if (rollout->key_count == TINYOPS_ROLLOUT_KEYS_MAX ||
        tinyops_read_hex(json, key, TINYOPS_ROLLOUT_KEY_BYTES) != 0) {
      return FORM;
    }
    rollout->key_count++;
  }
  return more == 0 && rollout->key_count != 0 ? 0 : FORM;
}

static int32_t read_failure(tinyops_json *json, tinyops_rollout *rollout) {
  tinyops_json_text text;
  if (tinyops_json_read_text(json, &text) != 0) {
    return FORM;
  }
  rollout->reverts = tinyops_json_is(text, "revert") != 0;
  return rollout->reverts != 0 || tinyops_json_is(text, "hold") ? 0 : FORM;
}

static int32_t read_base(tinyops_json *json, tinyops_rollout *rollout) {
  if (tinyops_json_is_null(json)) {
    return 0;
  }
  rollout->has_base = 1;
  return tinyops_read_content(json, &rollout->base);
}

static int32_t read_address(tinyops_json *json, tinyops_rollout *rollout) {
  const int32_t status = tinyops_json_read_text(json, &rollout->address);
  return status == 0 && rollout->address.count <= TINYOPS_ROLLOUT_ADDRESS_MAX ? 0 : FORM;
}

/* Which member has which place among those that must be there; `base` and `progress` may be
 * absent. */
enum { ID = 1, WAVES = 2, KEYS = 4, FAILURE = 8, ALL = 15 };

static int32_t read_member(tinyops_json *json, tinyops_json_text key, tinyops_rollout *rollout,
                           uint32_t *found) {
  if (tinyops_json_is(key, "id")) {
    *found |= ID;
    return tinyops_json_read_number(json, &rollout->id);
  }
  if (tinyops_json_is(key, "waves")) {
    *found |= WAVES;
    return read_waves(json, rollout);
  }
  if (tinyops_json_is(key, "keys")) {
    *found |= KEYS;
    return read_keys(json, rollout);
  }
  if (tinyops_json_is(key, "on_failure")) {
    *found |= FAILURE;
    return read_failure(json, rollout);
  }
  if (tinyops_json_is(key, "base")) {
    return read_base(json, rollout);
  }
  return tinyops_json_is(key, "progress") ? read_address(json, rollout) : tinyops_json_skip(json);
}

int32_t tinyops_read_rollout(tinyops_json *json, tinyops_rollout *rollout) {
  tinyops_json_members members = {{0, 0}, 0};
  uint32_t found = 0;
  int32_t more = 0, status = 0;
  while (status == 0 && (more = tinyops_json_next(json, &members)) == 1) {
    status = read_member(json, members.key, rollout, &found);
  }
  return status == 0 && more == 0 && found == ALL && rollout->id != 0 ? 0 : FORM;
}

/* -- Its progress ---------------------------------------------------------------------------- */

enum { OF_PROJECT = 1, OF_FLEET = 2, OF_ROLLOUT = 4, SEQUENCE = 8, STATE = 16, REACHED = 32 };
enum { EXPIRES = 64, SCHEMA = 128, WHOLE = 255 };

static int32_t read_state(tinyops_json *json, tinyops_progress *progress) {
  static const char *const names[] = {"advancing", "holding", "halted", "finished"};
  tinyops_json_text text;
  if (tinyops_json_read_text(json, &text) != 0) {
    return FORM;
  }
  for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (tinyops_json_is(text, names[i])) {
      progress->state = i;
      return 0;
    }
  }
  return FORM;
}

static int32_t read_same(tinyops_json *json, tinyops_json_text wanted) {
  tinyops_json_text text;
  if (tinyops_json_read_text(json, &text) != 0 || text.count != wanted.count) {
    return FORM;
  }
  for (uint32_t i = 0; i < text.count; i++) {
    if (text.bytes[i] != wanted.bytes[i]) {
      return FORM;
    }
  }
  return 0;
}

static int32_t read_word(tinyops_json *json, const char *word) {
  tinyops_json_text text;
  return tinyops_json_read_text(json, &text) == 0 && tinyops_json_is(text, word) ? 0 : FORM;
}

static int32_t read_number(tinyops_json *json, tinyops_json_text key, tinyops_progress *progress,
                           uint32_t *found) {
  if (tinyops_json_is(key, "rollout")) {
    *found |= OF_ROLLOUT;
    return tinyops_json_read_number(json, &progress->rollout);
  }
  if (tinyops_json_is(key, "sequence")) {
    *found |= SEQUENCE;
    return tinyops_json_read_number(json, &progress->sequence);
  }
  if (tinyops_json_is(key, "waves")) {
    *found |= REACHED;
    return tinyops_json_read_number(json, &progress->waves);
  }
  return tinyops_json_skip(json);
}

static int32_t read_progress_member(tinyops_json *json, tinyops_json_text key,
                                    tinyops_progress *progress, tinyops_json_text project,
                                    const char *fleet, uint32_t *found) {
  if (tinyops_json_is(key, "project")) {
    *found |= OF_PROJECT;
    return read_same(json, project);
  }
  if (tinyops_json_is(key, "fleet")) {
    *found |= OF_FLEET;
    return read_word(json, fleet);
  }
  if (tinyops_json_is(key, "state")) {
    *found |= STATE;
    return read_state(json, progress);
  }
  if (tinyops_json_is(key, "expires")) {
    *found |= EXPIRES;
    const int32_t status = tinyops_read_time(json, &progress->expires_s);
    return status == 0 && progress->expires_s != 0 ? 0 : FORM;
  }
  if (tinyops_json_is(key, "schema")) {
    *found |= SCHEMA;
    return read_word(json, "tinyops/progress/v1");
  }
  return read_number(json, key, progress, found);
}

int32_t tinyops_progress_read(tinyops_progress *progress, const uint8_t *bytes, uint32_t count,
                              const tinyops_boot_table *crypto, const tinyops_rollout *rollout,
                              tinyops_json_text project, const char *fleet) {
  tinyops_json_text part = {0, 0};
  const int32_t status =
      tinyops_open_envelope(&part, bytes, count, crypto, rollout->keys, rollout->key_count);
  if (status != 0) {
    return status;
  }
  tinyops_json json = {part.bytes, part.count, 0};
  tinyops_json_members members = {{0, 0}, 0};
  uint32_t found = 0;
  int32_t more = 0;
  *progress = (tinyops_progress){.rollout = 0};
  while ((more = tinyops_json_next(&json, &members)) == 1) {
    if (read_progress_member(&json, members.key, progress, project, fleet, &found) != 0) {
      return FORM;
    }
  }
  return more == 0 && json.at == json.count && found == WHOLE ? 0 : FORM;
}

/* -- This device's place, and its choice ------------------------------------------------------ */

/* Two texts and the zero between them. */
typedef struct {
  const char *fleet, *unit;
  uint32_t fleet_bytes;
} names;

static void read_names(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  const names *both = (const names *)context;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t place = at + i;
    const char *text = place <= both->fleet_bytes ? both->fleet + place
                                                  : both->unit + (place - both->fleet_bytes - 1u);
    bytes[i] = (uint8_t)*text;
  }
}

static uint32_t length_of(const char *text) {
  uint32_t count = 0;
  while (text[count] != 0) {
    count++;
  }
  return count;
}

uint32_t tinyops_rollout_position(const tinyops_boot_table *crypto, const char *fleet,
                                  const char *unit) {
  names both = {fleet, unit, length_of(fleet)};
  uint8_t digest[DIGEST_BYTES];
  crypto->sha256_of(read_names, &both, both.fleet_bytes + 1u + length_of(unit), digest);
  return (uint32_t)digest[0] << 24 | (uint32_t)digest[1] << 16 | (uint32_t)digest[2] << 8 |
         digest[3];
}

/* The number of a device's wave, from 0. */
static uint32_t wave_of(const tinyops_rollout *rollout, uint32_t position) {
  uint32_t wave = 0;
  while (wave + 1u < rollout->wave_count && position > rollout->waves[wave]) {
    wave++;
  }
  return wave;
}

int32_t tinyops_rollout_choose(const tinyops_rollout *rollout, const tinyops_progress *progress,
                               uint32_t position, int32_t runs_new) {
  const int32_t base = rollout->has_base != 0 ? TINYOPS_TAKE_BASE : TINYOPS_TAKE_NOTHING;
  const int32_t before = runs_new != 0 ? TINYOPS_TAKE_NOTHING : base;
  if (progress == 0 || progress->rollout != rollout->id) {
    return before; /* it goes back because of a halt only, never because nobody could be asked */
  }
  if (progress->state == TINYOPS_PROGRESS_FINISHED) {
    return TINYOPS_TAKE_NEW;
  }
  const int32_t reached = wave_of(rollout, position) < progress->waves;
  if (progress->state == TINYOPS_PROGRESS_HALTED) {
    if (rollout->reverts != 0) {
      return base;
    }
    return reached != 0 ? TINYOPS_TAKE_NOTHING : before;
  }
  return reached != 0 ? TINYOPS_TAKE_NEW : before;
}
