/* Chains: boards that compute one model together, each a part of it.
 *
 * A set is the parts of one model cut in one way. Each part has one set running and may have
 * another one ready in the slot that does not run. What each part says of itself goes to both of
 * its neighbours, whenever it changes and every second:
 *
 *   first part   offers what it runs and has ready, first what it was asked to run
 *   each part    passes on of these what it runs or has ready itself
 *   last part    runs the first of them; what it runs is the commit
 *   each part    passes the commit back up; a part switches only to what is committed
 *
 * All of it is a function of what a part knows now: a word that is lost, late, doubled or said
 * before a reset changes nothing for good, and a reset between any two steps goes on where it was.
 * While parts run different sets nothing is computed. */
#ifndef TINYOPS_CHAIN_H
#define TINYOPS_CHAIN_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_SET_BYTES 16u
#define TINYOPS_SET_OFFERS 2u
#define TINYOPS_PARTS_MAX 16u
#define TINYOPS_PART_NONE 0xffu /* in place of a part's position */

/* What a part says of itself to both neighbours. A set of zeros is none. */
typedef struct {
  uint8_t position;     /* of the part, from 0 */
  uint8_t parts;        /* of the chain */
  uint8_t wished;       /* 1: the first part was asked to run offered[0] */
  uint8_t is_committed; /* 1: `committed` is what the last part runs, none included; 0: unheard */
  uint8_t lost;         /* position of a part that is not heard, TINYOPS_PART_NONE */
  uint8_t running[TINYOPS_SET_BYTES];
  uint8_t offered[TINYOPS_SET_OFFERS][TINYOPS_SET_BYTES]; /* every part up to this one can run them,
                                                             first what is to be preferred */
  uint8_t committed[TINYOPS_SET_BYTES];
} tinyops_part_word;

/* What a part knows when it decides. */
typedef struct {
  uint8_t position, parts;
  uint8_t running[TINYOPS_SET_BYTES];
  uint8_t spare[TINYOPS_SET_BYTES]; /* in the slot that does not run, whole and allowed to run */
  uint8_t wished;  /* 1: somebody asked for the spare, and it has proved itself since start-up */
  uint8_t doubted; /* 1: a reset came in the spare's trial: not offered, but a commit is followed */
  const tinyops_part_word *up;   /* the last word of the part before, null: not heard in time */
  const tinyops_part_word *down; /* of the next part */
} tinyops_set_known;

typedef enum {
  TINYOPS_SET_STAY = 0,
  TINYOPS_SET_SWITCH =
      1 /* the spare is to run; one that has not proved itself proves itself first */
} tinyops_set_action;

/* Whether the parts that a part knows of compute one model. Part of what parts report. */
typedef enum {
  TINYOPS_SET_WHOLE = 0,    /* one set, as far as this part can tell: compute */
  TINYOPS_SET_ABSENT = 1,   /* no model runs here */
  TINYOPS_SET_LOST = 2,     /* `part` is not heard */
  TINYOPS_SET_STRANGER = 3, /* what answers in place of `part` has another position or chain */
  TINYOPS_SET_MIXED = 4     /* `part` runs another set, or none */
} tinyops_set_state;

typedef struct {
  tinyops_set_action action;
  tinyops_set_state state;
  uint8_t part; /* whom `state` means, TINYOPS_PART_NONE */
  tinyops_part_word say;
} tinyops_set_choice;

/* Decides what a part does and says, from what it knows alone. */
void tinyops_set_choose(const tinyops_set_known *known, tinyops_set_choice *choice);

#ifdef __cplusplus
}
#endif

#endif
