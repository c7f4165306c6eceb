/* The small signed entry of one fleet and board: what a device should run, as
 * tinyops/manifest/entry.py has it, in the envelope of tinyops/manifest/envelope.py.
 *
 * The signatures are over the signed part as it stands between `"signed":` and the last brace,
 * which is canonical JSON and nothing else: no byte of it is looked at, and none written anew,
 * before they were found to be right. */
#ifndef TINYOPS_FETCH_ENTRY_H
#define TINYOPS_FETCH_ENTRY_H

#include <stdint.h>

#include "tinyops/boot.h"
#include "tinyops/fetch/json.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_ENTRY_MAX = 8192,          /* bytes, with its envelope */
  TINYOPS_ENTRY_SIGNATURES_MAX = 16, /* that are looked at */
  TINYOPS_ENTRY_DIGEST_BYTES = 32,
  TINYOPS_ENTRY_TAG_MAX = 10,
  TINYOPS_ENTRY_NAME_MAX = 63,
  TINYOPS_ENTRY_ASSET_MAX = 200
};

typedef enum {
  TINYOPS_ENTRY_OK = 0,
  TINYOPS_ENTRY_ERR_FORM = -1,      /* no envelope as tinyops writes it, or no entry in it */
  TINYOPS_ENTRY_ERR_SIGNATURE = -2, /* no trusted key signed it */
  TINYOPS_ENTRY_ERR_SCHEMA = -3     /* an entry of a kind that this firmware does not know */
} tinyops_entry_status;

/* Text lies in the bytes that were read. */
typedef struct {
  tinyops_json_text project, fleet, board;
  uint32_t version; /* of the release */
  uint32_t counter; /* security counter */
  uint8_t contract[TINYOPS_ENTRY_DIGEST_BYTES];
  uint64_t expires_s; /* seconds after 1970; 0: never */
  /* The model: release tag and name, then what its bytes must be. */
  tinyops_json_text tag, asset;
  uint32_t model_bytes;
  uint8_t model_digest[TINYOPS_ENTRY_DIGEST_BYTES];
  uint8_t model_is_image; /* for a slot; else it is linked into a firmware, or another computer's */
} tinyops_entry;

/* In which waves it is taken; see rollout.h. */
struct tinyops_rollout;

/* Verifies and reads an entry of `count` bytes, and its rollout: `rollout->id` is 0 where it has
 * none. Without room for one (null), an entry that has one is for newer firmware. `keys` are
 * `key_count` Ed25519 keys of 32 bytes, one after another; one right signature is enough. Returns
 * OK or the first reason why not. Needs the stack of crypto->ed25519_verify and 300 bytes. */
int32_t tinyops_entry_read(tinyops_entry *entry, struct tinyops_rollout *rollout,
                           const uint8_t *bytes, uint32_t count, const tinyops_boot_table *crypto,
                           const uint8_t *keys, uint32_t key_count);

#ifdef __cplusplus
}
#endif

#endif
