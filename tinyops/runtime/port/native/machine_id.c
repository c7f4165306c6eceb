/* Facts: machine-id(5); RFC 2104 (HMAC), whose block is 64 bytes with SHA-256; RFC 9562 (UUID
 * version 4), whose fixed bits systemd sets in what it derives. */
#include "machine_id.h"

#include <stdio.h>
#include <string.h>

#include "tinyops/sha256.h"

enum { BLOCK = 64, DIGEST = 32, DIGITS = 2 * MACHINE_ID_BYTES };

/* Of tinyops, drawn once; tinyops/device/identify/machine.py has it, too. */
static const uint8_t APPLICATION[MACHINE_ID_BYTES] = {
    0xa9, 0x65, 0x79, 0x5e, 0x57, 0xb9, 0xcd, 0x8f, 0xb1, 0x8c, 0xcd, 0x75, 0x78, 0x12, 0x6f, 0x86};

static int32_t digit(char c) {
  if (c >= '0' && c <= '9') {
    return c - '0';
  }
  return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* SHA-256 of the key in a block, each of its bytes changed by `pad`, and `count` bytes behind it.
 */
static void digest_keyed(const uint8_t *key, uint8_t pad, const uint8_t *bytes, size_t count,
                         uint8_t *digest) {
  uint8_t message[BLOCK + DIGEST];
  memset(message, pad, BLOCK);
  for (size_t i = 0; i < MACHINE_ID_BYTES; i++) {
    message[i] ^= key[i];
  }
  memcpy(message + BLOCK, bytes, count);
  tinyops_sha256(message, (uint32_t)(BLOCK + count), digest);
}

uint32_t machine_id_from(const char *text, uint8_t *id) {
  uint8_t machine[MACHINE_ID_BYTES], inner[DIGEST], outer[DIGEST];
  if (strnlen(text, DIGITS + 2) != DIGITS + 1 || text[DIGITS] != '\n') {
    return 0;
  }
  for (size_t i = 0; i < MACHINE_ID_BYTES; i++) {
    const int32_t high = digit(text[2 * i]), low = digit(text[2 * i + 1]);
    if (high < 0 || low < 0) {
      return 0;
    }
    machine[i] = (uint8_t)(high << 4 | low);
  }
  digest_keyed(machine, 0x36, APPLICATION, MACHINE_ID_BYTES, inner);
  digest_keyed(machine, 0x5c, inner, DIGEST, outer);
  outer[6] = (uint8_t)((outer[6] & 0x0fu) | 0x40u);
  outer[8] = (uint8_t)((outer[8] & 0x3fu) | 0x80u);
  memcpy(id, outer, MACHINE_ID_BYTES);
  return MACHINE_ID_BYTES;
}

uint32_t machine_id_read(uint8_t *id) {
  char text[DIGITS + 2] = {0};
  FILE *file = fopen("/etc/machine-id", "rb");
  if (file == NULL) {
    return 0;
  }
  (void)fread(text, 1, sizeof(text) - 1, file);
  (void)fclose(file);
  return machine_id_from(text, id);
}
