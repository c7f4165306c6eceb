/* Signed entries, and the JSON that they are.
 *
 * The input is an entry in its envelope. Digest and signature are stand-ins: every key has the same
 * id, and a signature is right when it begins with the number of bytes that it signs.
 *
 * What must hold: nothing outside of the entry is read; what is taken from it lies within it and
 * means nothing in a URL; a value that is passed over ends where it ends when it stands alone. */
#include <string.h>

#include "input.h"
#include "tinyops/fetch/rollout.h"
#include "tinyops/little_endian.h"

enum { KEYS = 2, ID = 0x11 };

static void digest(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *found) {
  uint8_t byte = 0;
  for (uint32_t i = 0; i < count; i++) {
    read(context, i, &byte, 1);
  }
  memset(found, ID, TINYOPS_ENTRY_DIGEST_BYTES);
}

static int32_t verify(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                      uint32_t count) {
  volatile uint8_t seen = key[0];
  for (uint32_t i = 0; i < count; i++) {
    seen = message[i];
  }
  (void)seen;
  return tinyops_get16(signature) == (count & 0xffffu) ? 0 : -1;
}

static void check_text(tinyops_json_text text, uint32_t most, const uint8_t *bytes,
                       uint32_t count) {
  FUZZ_CHECK(text.count != 0 && text.count <= most);
  FUZZ_CHECK(text.bytes >= bytes && text.bytes + text.count <= bytes + count);
  for (uint32_t i = 0; i < text.count; i++) {
    FUZZ_CHECK(strchr("/\\?#%:@\" ", text.bytes[i]) == NULL && text.bytes[i] > 0x20);
    FUZZ_CHECK(i == 0 || text.bytes[i] != '.' || text.bytes[i - 1u] != '.');
  }
}

static void check_rollout(const tinyops_rollout *rollout, const uint8_t *bytes, uint32_t count) {
  if (rollout->id == 0) {
    return;
  }
  FUZZ_CHECK(rollout->wave_count != 0 && rollout->wave_count <= TINYOPS_ROLLOUT_WAVES_MAX);
  for (uint32_t i = 1; i < rollout->wave_count; i++) {
    FUZZ_CHECK(rollout->waves[i] >= rollout->waves[i - 1u]);
  }
  FUZZ_CHECK(rollout->key_count != 0 && rollout->key_count <= TINYOPS_ROLLOUT_KEYS_MAX);
  FUZZ_CHECK(rollout->address.count <= TINYOPS_ROLLOUT_ADDRESS_MAX);
  if (rollout->has_base != 0) {
    check_text(rollout->base.tag, TINYOPS_ENTRY_TAG_MAX, bytes, count);
    check_text(rollout->base.asset, TINYOPS_ENTRY_ASSET_MAX, bytes, count);
  }
}

/* The same bytes as the word of how far a rollout is. */
static void check_progress(const uint8_t *bytes, uint32_t count, const tinyops_boot_table *crypto) {
  static const uint8_t name[] = "p";
  const tinyops_rollout rollout = {.id = 1, .wave_count = 1, .key_count = 1};
  tinyops_progress progress;
  if (tinyops_progress_read(&progress, bytes, count, crypto, &rollout, (tinyops_json_text){name, 1},
                            "f") == 0) {
    FUZZ_CHECK(progress.state <= TINYOPS_PROGRESS_FINISHED && progress.expires_s != 0);
    const int32_t taken = tinyops_rollout_choose(&rollout, &progress, 7, 0);
    FUZZ_CHECK(taken == TINYOPS_TAKE_NEW || taken == TINYOPS_TAKE_NOTHING);
  }
}

/* Any value, alone. */
static void skip_all(const uint8_t *bytes, uint32_t count) {
  tinyops_json json = {bytes, count, 0};
  if (tinyops_json_skip(&json) != 0) {
    return;
  }
  FUZZ_CHECK(json.at != 0 && json.at <= count);
  tinyops_json shorter = {bytes, json.at, 0};
  FUZZ_CHECK(tinyops_json_skip(&shorter) == 0 && shorter.at == json.at);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static const uint8_t keys[KEYS * TINYOPS_SLOTS_KEY_BYTES] = {1};
  const tinyops_boot_table crypto = {.sha256_of = digest, .ed25519_verify = verify};
  fuzz_input input = {bytes, bytes + count};
  uint32_t given = TINYOPS_ENTRY_MAX + 1u;
  uint8_t *text = fuzz_bytes(&input, &given);
  tinyops_entry entry;
  tinyops_rollout rollout;
  if (tinyops_entry_read(&entry, &rollout, text, given, &crypto, keys, KEYS) == TINYOPS_ENTRY_OK) {
    FUZZ_CHECK(given <= TINYOPS_ENTRY_MAX);
    check_text(entry.project, TINYOPS_ENTRY_NAME_MAX, text, given);
    check_text(entry.fleet, TINYOPS_ENTRY_NAME_MAX, text, given);
    check_text(entry.board, TINYOPS_ENTRY_NAME_MAX, text, given);
    check_text(entry.tag, TINYOPS_ENTRY_TAG_MAX, text, given);
    check_text(entry.asset, TINYOPS_ENTRY_ASSET_MAX, text, given);
    check_rollout(&rollout, text, given);
    FUZZ_CHECK(tinyops_entry_read(&entry, 0, text, given, &crypto, keys, KEYS) ==
               (rollout.id == 0 ? TINYOPS_ENTRY_OK : TINYOPS_ENTRY_ERR_SCHEMA));
    FUZZ_CHECK(tinyops_entry_read(&entry, &rollout, text, given, &crypto, keys, 0) < 0);
  }
  check_progress(text, given, &crypto);
  skip_all(text, given);
  free(text);
  return 0;
}
