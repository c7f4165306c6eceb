/* Deltas: an image as what differs from the one that runs, undone while it arrives.
 *
 *   bytes of the file -> tinyops_delta_take -> (range decoder) -> runs: bytes of the base, each
 * with a difference added, then bytes of its own -> tinyops_slots_write, as if the image had come
 * itself
 *
 * Nothing of a delta is trusted: what it makes is judged as any image is, by digest and signature,
 * and every length in it is bounded by the base and by the result. The base is the image of the
 * same kind that runs, whose digest was verified; any other one is refused by name. After a refusal
 * or a reset nothing is being written, and what runs is what ran. The format: tinyops/images/delta.
 *
 * All state is in the struct, TINYOPS_DELTA_STATE_MAX bytes at the most, and the caller's. */
#ifndef TINYOPS_DELTA_H
#define TINYOPS_DELTA_H

#include <stdint.h>

#include "tinyops/app.h"
#include "tinyops/delta_format.h"
#include "tinyops/slots.h"
#include "tinyops/smp.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_DELTA_STATE_MAX 1024u
#define TINYOPS_DELTA_PIECE 64u /* bytes read of the base, and written of the result, at a time */

/* The caller leaves it alone. */
typedef struct {
  tinyops_slots *slots;
  uint32_t image;        /* what it is of */
  uint32_t bytes;        /* of the file; 0: none is being taken */
  uint32_t given;        /* of them taken */
  uint32_t result_bytes; /* what it makes */
  uint32_t made;         /* of them */
  uint32_t base;         /* where the base lies in flash */
  uint32_t base_bytes;   /* of it that may be read */
  uint32_t from;         /* the next byte of it */
  uint32_t old_at;       /* where in it `old` was read */
  uint32_t range, code;  /* of the range decoder */
  uint32_t number;       /* that is being read */
  uint32_t left;         /* bytes of the run, or bits of the number */
  uint32_t moved;        /* bytes of this round: one without any would have no end */
  uint32_t node;         /* in a tree of bits */
  uint32_t history;      /* which of the last four differences were none */
  uint8_t state;
  uint8_t wanted; /* what the number is of */
  uint8_t held;   /* bytes in `out`, or of the header and the code */
  uint16_t length_odds[TINYOPS_DELTA_LENGTHS];
  uint16_t flag_odds[TINYOPS_DELTA_HISTORIES];
  uint16_t value_odds[TINYOPS_DELTA_VALUES];
  uint8_t old[TINYOPS_DELTA_PIECE];
  uint8_t out[TINYOPS_DELTA_PIECE]; /* the header, at first */
} tinyops_delta;

/* Whether a file that begins with these bytes is a delta. */
int32_t tinyops_delta_is(const uint8_t *bytes, uint32_t count);

/* Begins with the upload that `slots` has just begun, of which nothing was written: the file is a
 * delta. The rest of that upload goes to tinyops_delta_take. */
void tinyops_delta_open(tinyops_delta *delta, tinyops_slots *slots);

/* Takes the next bytes of the file; with the last one the image is verified and recorded. Erases
 * and programs as tinyops_slots_write does; a few bytes may make much of an image, and `pause` is
 * called between pieces of it. Returns bytes of the file taken so far, or a negative
 * tinyops_slots_status; then nothing is being written any more: ERR_BASE: another image runs than
 * the delta was made from; ERR_DELTA: malformed; or what tinyops_slots_begin, _write and _finish
 * refuse in the result. */
int32_t tinyops_delta_take(tinyops_delta *delta, const uint8_t *bytes, uint32_t count);

/* An application that takes deltas beside images; the caller provides the memory. */
typedef struct tinyops_app_deltas {
  tinyops_delta delta;
  tinyops_smp_images calls;
} tinyops_app_deltas;

/* Makes `updates` take deltas. Returns the calls for the SMP server, in place of
 * tinyops_app_update_calls; their images are `updates`. */
const tinyops_smp_images *tinyops_app_take_deltas(tinyops_app_deltas *deltas,
                                                  tinyops_app_updates *updates);

#ifdef __cplusplus
}
#endif

#endif
