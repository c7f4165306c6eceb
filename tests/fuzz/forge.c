#include "forge.h"

#include <string.h>

#include "tinyops/image_format.h"
#include "tinyops/little_endian.h"

enum { DIGEST = TINYOPS_SLOTS_DIGEST_BYTES };

const uint8_t forge_contract[DIGEST] = {7, 7, 7};
uint8_t forge_keys[FORGE_KEYS + 1][TINYOPS_SLOTS_KEY_BYTES];

void forge_make_keys(void) {
  for (uint32_t i = 0; i < sizeof(forge_keys); i++) {
    forge_keys[i / TINYOPS_SLOTS_KEY_BYTES][i % TINYOPS_SLOTS_KEY_BYTES] = (uint8_t)(i * 29u + 3u);
  }
}

static void mix(uint8_t *state, uint8_t byte, uint32_t at) {
  uint32_t word = tinyops_get32(state + 4u * (at % 8u));
  word = (word ^ byte ^ at << 8) * 0x01000193u;
  tinyops_put32(state + 4u * (at % 8u), word ^ word >> 15);
}

static void begin_digest(uint8_t *digest) {
  for (uint32_t i = 0; i < DIGEST; i++) {
    digest[i] = (uint8_t)(17u * i + 1u);
  }
}

static void digest_of(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *digest) {
  uint8_t piece[64];
  begin_digest(digest);
  for (uint32_t at = 0; at < count; at += sizeof(piece)) {
    const uint32_t some = count - at < sizeof(piece) ? count - at : (uint32_t)sizeof(piece);
    read(context, at, piece, some);
    for (uint32_t i = 0; i < some; i++) {
      mix(digest, piece[i], at + i);
    }
  }
}

void forge_digest(const uint8_t *bytes, uint32_t count, uint8_t *digest) {
  begin_digest(digest);
  for (uint32_t i = 0; i < count; i++) {
    mix(digest, bytes[i], i);
  }
}

static void sign(const uint8_t *key, const uint8_t *message, uint8_t *signature) {
  for (uint32_t i = 0; i < 64u; i++) {
    signature[i] = (uint8_t)(key[i % 32u] + 3u * message[i % 32u] + i);
  }
}

int32_t forge_check(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                    uint32_t count) {
  uint8_t wanted[64];
  FUZZ_CHECK(count == DIGEST);
  sign(key, message, wanted);
  return memcmp(wanted, signature, sizeof(wanted)) == 0 ? 0 : -1;
}

const tinyops_boot_table forge_table = {
    .magic = TINYOPS_BOOT_MAGIC,
    .version = TINYOPS_BOOT_VERSION,
    .bytes = sizeof(tinyops_boot_table),
    .sha256_of = digest_of,
    .ed25519_verify = forge_check,
    .open = tinyops_slots_open,
    .boot = tinyops_slots_boot,
    .running = tinyops_slots_running,
    .begin = tinyops_slots_begin,
    .write = tinyops_slots_write,
    .finish = tinyops_slots_finish,
    .erase = tinyops_slots_erase,
    .test = tinyops_slots_test,
    .start = tinyops_slots_start,
    .confirm = tinyops_slots_confirm,
    .revert = tinyops_slots_revert,
    .again = tinyops_slots_again,
    .describe = tinyops_slots_describe,
};

static void key_hash(uint32_t key, uint8_t *hash) {
  static const uint8_t prefix[] = TINYOPS_IMAGE_KEY_PREFIX;
  uint8_t whole[sizeof(prefix) + TINYOPS_SLOTS_KEY_BYTES];
  memcpy(whole, prefix, sizeof(prefix));
  memcpy(whole + sizeof(prefix), forge_keys[key], TINYOPS_SLOTS_KEY_BYTES);
  forge_digest(whole, sizeof(whole), hash);
}

static void put16(uint8_t *at, uint32_t value) {
  at[0] = (uint8_t)value;
  at[1] = (uint8_t)(value >> 8);
}

static void put_tlv(forged *file, uint32_t type, uint32_t length, const uint8_t *value) {
  put16(file->bytes + file->count, type);
  put16(file->bytes + file->count + 2, length);
  memcpy(file->bytes + file->count + 4, value, length);
  file->count += 4u + length;
}

/* Leaves out, repeats, or changes a TLV where `wrong` says so; each is wrong, but for a repeated
 * self-test that was not there. */
static void put_odd_tlv(forged *file, uint32_t wrong, uint32_t index, uint32_t type,
                        uint32_t length, const uint8_t *value) {
  static const uint8_t zeros[96] = {0};
  const int32_t is_it = (wrong & 0x0fu) == index + 1u;
  switch (is_it ? wrong >> 4 & 3u : 3u) {
    case 0: /* it is missing */
      break;
    case 1:
      put_tlv(file, type, length, value);
      put_tlv(file, type, length, value);
      break;
    case 2:
      put_tlv(file, type, length + 1u, zeros);
      break;
    default:
      put_tlv(file, is_it ? 0x60u : type, length, value);
  }
}

/* What is forged is wrong in at most one way, or the input's bytes go over all of it. */
void forge(fuzz_input *input, uint32_t image, const tinyops_slot *slots, uint32_t slot,
           forged *file) {
  const uint32_t how = fuzz_byte(input);
  const uint32_t wrong = fuzz_byte(input);
  static const char board[] = "desk";
  const uint32_t header = image == TINYOPS_IMAGE_FIRMWARE ? 256u : 32u;
  uint32_t body = 1u + fuzz_get16(input) % FORGE_BODY_MAX;
  memset(file, 0, sizeof(*file));
  file->counter = fuzz_byte(input) & 7u;
  file->count = header + body;
  for (uint32_t i = 0; i < body; i++) {
    file->bytes[header + i] =
        (uint8_t)(i * (how + file->counter) + (i < 4u ? fuzz_byte(input) : 0));
  }
  const uint32_t protected_at = file->count;
  uint8_t number[4];
  uint8_t kind = (uint8_t)image;
  uint8_t other[DIGEST];
  memcpy(other, forge_contract, sizeof(other));
  kind ^= (how & 1u) != 0u;
  other[5] ^= (uint8_t)((how & 2u) != 0u && image == TINYOPS_IMAGE_MODEL);
  tinyops_put32(number, file->counter);
  file->count += 4u;
  put_odd_tlv(file, wrong, 0, TINYOPS_IMAGE_TLV_COUNTER, 4, number);
  put_odd_tlv(file, wrong, 1, TINYOPS_IMAGE_TLV_CONTRACT, DIGEST, other);
  put_odd_tlv(file, wrong, 2, TINYOPS_IMAGE_TLV_BOARD, 4u - ((how & 4u) != 0u),
              (const uint8_t *)board);
  put_odd_tlv(file, wrong, 3, TINYOPS_IMAGE_TLV_KIND, 1, &kind);
  if ((how & 0x20u) != 0u) {
    put_tlv(file, TINYOPS_IMAGE_TLV_GOLDEN, 8, other);
  }
  put16(file->bytes + protected_at, TINYOPS_IMAGE_PROTECTED_MAGIC);
  put16(file->bytes + protected_at + 2, file->count - protected_at);

  uint8_t *h = file->bytes;
  tinyops_put32(h, TINYOPS_IMAGE_MAGIC);
  put16(h + TINYOPS_IMAGE_AT_HEADER_BYTES, header);
  put16(h + TINYOPS_IMAGE_AT_PROTECTED_BYTES, file->count - protected_at);
  tinyops_put32(h + TINYOPS_IMAGE_AT_BODY_BYTES, body);
  if (image == TINYOPS_IMAGE_FIRMWARE) {
    const uint32_t place = slot ^ (uint32_t)((how & 2u) != 0u);
    tinyops_put32(h + TINYOPS_IMAGE_AT_LOAD_ADDRESS, slots[place].origin);
    tinyops_put32(h + TINYOPS_IMAGE_AT_FLAGS, TINYOPS_IMAGE_FLAG_ROM_FIXED);
  }
  forge_digest(file->bytes, file->count, file->digest);
  file->digest[0] ^= (uint8_t)((how & 8u) != 0u);

  const uint32_t area_at = file->count;
  uint8_t hash[DIGEST];
  uint8_t signature[64];
  const uint32_t key = (how & 0x10u) != 0u ? FORGE_KEYS : how >> 7;
  key_hash((how & 0x40u) != 0u ? 0u : key, hash);
  const int32_t is_odd = (wrong & 0x0fu) >= 1u && (wrong & 0x0fu) <= 7u;
  file->is_good = (how & 0x1fu) == 0u && !is_odd && ((how & 0x40u) == 0u || key == 0u);
  sign(forge_keys[key], file->digest, signature);
  file->count += 4u;
  put_odd_tlv(file, wrong, 4, TINYOPS_IMAGE_TLV_SHA256, DIGEST, file->digest);
  put_odd_tlv(file, wrong, 5, TINYOPS_IMAGE_TLV_KEY_HASH, DIGEST, hash);
  put_odd_tlv(file, wrong, 6, TINYOPS_IMAGE_TLV_ED25519, 64, signature);
  put16(file->bytes + area_at, TINYOPS_IMAGE_TLV_MAGIC);
  put16(file->bytes + area_at + 2, file->count - area_at);
  if ((wrong & 0x80u) != 0u) {
    const uint32_t at = fuzz_get16(input) % file->count;
    const uint8_t flip = (uint8_t)fuzz_byte(input);
    file->bytes[at] ^= flip;
    file->is_good = file->is_good && flip == 0u;
  }
}
