/* What the readers of signed documents share. Each returns 0 or a negative tinyops_entry_status. */
#ifndef TINYOPS_FETCH_READING_H
#define TINYOPS_FETCH_READING_H

#include "tinyops/fetch/rollout.h"

/* Reads `count` bytes of lower-case hex digits. */
int32_t tinyops_read_hex(tinyops_json *json, uint8_t *bytes, uint32_t count);

/* Letters, digits, '.', '_' and '-', at most so many: nothing that means something in a URL. */
int32_t tinyops_read_name(tinyops_json *json, tinyops_json_text *text, uint32_t most);

/* "2027-06-30T12:00:00Z" as seconds after 1970, or null as 0. */
int32_t tinyops_read_time(tinyops_json *json, uint64_t *seconds);

/* Finds the signed part of an envelope, under which one of some keys has put a right signature. No
 * byte of it is looked at before. Needs the stack of crypto->ed25519_verify and 300 bytes. */
int32_t tinyops_open_envelope(tinyops_json_text *signed_part, const uint8_t *bytes, uint32_t count,
                              const tinyops_boot_table *crypto, const uint8_t *keys,
                              uint32_t key_count);

/* What devices run: the members of an entry, or of its rollout's base, that say so. */
int32_t tinyops_read_content(tinyops_json *json, tinyops_entry *content);

/* The rollout of an entry. */
int32_t tinyops_read_rollout(tinyops_json *json, tinyops_rollout *rollout);

#endif
