/* Images that a fuzzer forges, for the board `desk`, and the cryptography that takes them:
 * stand-ins that take no time and are as hard to hit by chance. */
#ifndef TINYOPS_FUZZ_FORGE_H
#define TINYOPS_FUZZ_FORGE_H

#include "input.h"
#include "tinyops/boot.h"

enum { FORGE_KEYS = 2, FORGE_BODY_MAX = 600, FORGE_FILE_MAX = 1024 + FORGE_BODY_MAX + 512 };

/* A file as it was forged. */
typedef struct {
  uint8_t bytes[FORGE_FILE_MAX];
  uint32_t count;
  uint8_t digest[TINYOPS_SLOTS_DIGEST_BYTES];
  int32_t is_good; /* to be taken, if its counter is not too low */
  uint32_t counter;
} forged;

extern const tinyops_boot_table forge_table;
extern const uint8_t forge_contract[TINYOPS_SLOTS_DIGEST_BYTES];
/* Those that a device trusts, and one that it does not. */
extern uint8_t forge_keys[FORGE_KEYS + 1][TINYOPS_SLOTS_KEY_BYTES];

void forge_make_keys(void);

/* Forges an image for one of two slots, as the input says. */
void forge(fuzz_input *input, uint32_t image, const tinyops_slot *slots, uint32_t slot,
           forged *file);

void forge_digest(const uint8_t *bytes, uint32_t count, uint8_t *digest);
/* 0: that is the key's signature. */
int32_t forge_check(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                    uint32_t count);

#endif
