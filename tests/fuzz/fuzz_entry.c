/* Signed entries, and the JSON that they are.
 *
 * The input is an entry in its envelope. Digest and signature are stand-ins: every key has the same
 * id, and a signature is right when it begins with the number of bytes that it signs.
 *
 * What must hold: nothing outside of the entry is read; what is taken from it lies within it and
 * means nothing in a URL; a value that is passed over ends where it ends when it stands alone. */
#include <string.h>

#include "input.h"
#include "tinyops/fetch/entry.h"
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
  if (tinyops_entry_read(&entry, text, given, &crypto, keys, KEYS) == TINYOPS_ENTRY_OK) {
    FUZZ_CHECK(given <= TINYOPS_ENTRY_MAX);
    check_text(entry.project, TINYOPS_ENTRY_NAME_MAX, text, given);
    check_text(entry.fleet, TINYOPS_ENTRY_NAME_MAX, text, given);
    check_text(entry.board, TINYOPS_ENTRY_NAME_MAX, text, given);
    check_text(entry.tag, TINYOPS_ENTRY_TAG_MAX, text, given);
    check_text(entry.asset, TINYOPS_ENTRY_ASSET_MAX, text, given);
    FUZZ_CHECK(tinyops_entry_read(&entry, text, given, &crypto, keys, 0) < 0);
  }
  skip_all(text, given);
  free(text);
  return 0;
}
