/* A part of a chain: boards that share one model, each of which computes some of its operators on
 * what the part before sends and sends what it makes to the part after; see tinyops/link/parts.py
 * for the frames.
 *
 *   init -> { poll -> (0) port.idle } for ever
 *
 * The part is an application (app.h) whose line leads to the next part, which is its host. A part
 * that is not the first has a second stream, port.upstream, to the part before. The last one's line
 * leads to the host, which gets its results.
 *
 *   state of a part, and of its neighbours as they tell it:
 *   STARTING -both neighbours told, same set-> READY       nothing is computed before
 *   READY -a neighbour silent for after_ms-> LOST          its answer is UNAVAILABLE, naming it
 *   READY -a neighbour runs another set-> MIXED            as long as that lasts
 *   any -the neighbour is back, same set-> READY
 *
 *   of an inference on its way into a part:
 *   pieces come -whole, CRC right-> computed -> sent on -taken by the part after-> MISSING (none)
 *   pieces come -quiet-> MISSING (ranges), a bounded number of times, then dropped: STALLED
 *
 * The caller owns all memory and the port; nothing is allocated, there are no globals. */
#ifndef TINYOPS_CHAIN_H
#define TINYOPS_CHAIN_H

#include <stdint.h>

#include "tinyops/app.h"
#include "tinyops/model.h"
#include "tinyops/model_part.h"
#include "tinyops/part_link.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_CHAIN_SET_BYTES TINYOPS_PART_SET_BYTES

/* What a part knows of sets. All zeros is no set: an empty spare slot, a neighbour that is silent
 * or has no such neighbour beyond. */
typedef struct {
  uint8_t position, parts;
  uint8_t running[TINYOPS_CHAIN_SET_BYTES]; /* the part's own: runs, where its image can run */
  uint8_t spare[TINYOPS_CHAIN_SET_BYTES];   /* its own: proven, ready in the spare slot */
  uint8_t offered[TINYOPS_CHAIN_SET_BYTES]; /* as the part before told last; of the first: zeros */
  uint8_t committed[TINYOPS_CHAIN_SET_BYTES]; /* as the part after told last; of the last: zeros */
} tinyops_chain_view;

/* What follows from it. */
typedef struct {
  uint8_t offered[TINYOPS_CHAIN_SET_BYTES];   /* to tell the part after */
  uint8_t committed[TINYOPS_CHAIN_SET_BYTES]; /* to tell the part before */
  uint8_t switches;                           /* 1: what the spare slot holds is to run now */
} tinyops_chain_decision;

/* How a part changes its set. Called when nothing is computed and the arena is free. */
typedef struct {
  /* Pure; see set.c. */
  void (*decide)(const tinyops_chain_view *view, tinyops_chain_decision *decision);
  /* Puts the set of the proven image in the spare slot into `set`, zeros where there is none. May
   * prove an image, which uses the arena: then 1 is returned, and what lies there is forgotten. */
  int32_t (*find_spare)(void *context, uint8_t *set);
  /* Makes the spare image the one that runs, `app->model` and `app->state` too; restarts where the
   * board must. */
  void (*apply)(void *context, struct tinyops_app *app);
} tinyops_chain_switching;

#ifdef __cplusplus
}
#endif

#endif
