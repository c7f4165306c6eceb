/* Rollouts in waves: in which wave this device is, and which content it takes, as
 * tinyops/manifest/entry.py (choose_content) and tinyops/manifest/progress.py have it.
 *
 * The signed entry names what may be chosen between and whose word counts; a second, small document
 * says how far the rollout is. Nobody can bring other content by it. */
#ifndef TINYOPS_FETCH_ROLLOUT_H
#define TINYOPS_FETCH_ROLLOUT_H

#include <stdint.h>

#include "tinyops/boot.h"
#include "tinyops/fetch/entry.h"
#include "tinyops/fetch/json.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_ROLLOUT_WAVES_MAX = 20,
  TINYOPS_ROLLOUT_KEYS_MAX = 4,
  TINYOPS_ROLLOUT_KEY_BYTES = 32,
  TINYOPS_ROLLOUT_ADDRESS_MAX = 200
};

/* Text lies in the bytes that the entry was read from. */
typedef struct tinyops_rollout {
  uint32_t id; /* the version that first brought the content; 0: no rollout */
  uint32_t wave_count;
  uint32_t waves[TINYOPS_ROLLOUT_WAVES_MAX]; /* the highest position of each, rising */
  uint8_t reverts;                           /* after a halt, devices go back */
  uint8_t has_base;
  uint8_t key_count;
  uint8_t keys[TINYOPS_ROLLOUT_KEYS_MAX * TINYOPS_ROLLOUT_KEY_BYTES];
  tinyops_json_text address; /* of the progress; empty: this device cannot know it */
  tinyops_entry base;        /* of its members, those of a content */
} tinyops_rollout;

typedef enum {
  TINYOPS_PROGRESS_ADVANCING = 0,
  TINYOPS_PROGRESS_HOLDING,
  TINYOPS_PROGRESS_HALTED,
  TINYOPS_PROGRESS_FINISHED
} tinyops_progress_state;

/* How far a rollout is. */
typedef struct {
  uint32_t rollout;  /* whose: its id */
  uint32_t sequence; /* rises with every document of a fleet */
  uint32_t state;    /* a tinyops_progress_state */
  uint32_t waves;    /* that are reached */
  uint64_t expires_s;
} tinyops_progress;

typedef enum {
  TINYOPS_TAKE_NEW = 0,
  TINYOPS_TAKE_BASE = 1,   /* the content before */
  TINYOPS_TAKE_NOTHING = 2 /* the device stays with what it runs */
} tinyops_take;

/* Verifies with the rollout's keys, and reads, the progress of a fleet. Returns 0 or a
 * tinyops_entry_status. */
int32_t tinyops_progress_read(tinyops_progress *progress, const uint8_t *bytes, uint32_t count,
                              const tinyops_boot_table *crypto, const tinyops_rollout *rollout,
                              tinyops_json_text project, const char *fleet);

/* Where a device, or its chain (`unit`), stands in the order of its fleet: the first four bytes,
 * big-endian, of SHA-256 over fleet, a zero and unit. */
uint32_t tinyops_rollout_position(const tinyops_boot_table *crypto, const char *fleet,
                                  const char *unit);

/* What a device takes: a tinyops_take. `progress` is null where none can be believed; `runs_new`:
 * it has the entry's content, confirmed. */
int32_t tinyops_rollout_choose(const tinyops_rollout *rollout, const tinyops_progress *progress,
                               uint32_t position, int32_t runs_new);

#ifdef __cplusplus
}
#endif

#endif
