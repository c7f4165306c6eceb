/* What the files of a part share. */
#ifndef TINYOPS_CHAIN_PART_H
#define TINYOPS_CHAIN_PART_H

#include "tinyops/chain.h"

enum {
  TYPE_AT = 0,
  SEQUENCE_AT = 1,
  HEAD = 2,        /* type and sequence */
  TELL_MS = 1000,  /* between two PART_STATE, at most */
  ASKS_A_LIMIT = 8 /* in the time limit */
};

static inline uint32_t tinyops_part_now(const tinyops_part *part) {
  const tinyops_port *port = part->app.board->port;
  return port->now_ms != 0 ? port->now_ms(port->context) : 0;
}

static inline int32_t tinyops_part_is_first(const tinyops_part *part) {
  return part->place->position == 0;
}

static inline int32_t tinyops_part_is_last(const tinyops_part *part) {
  return part->place->position + 1u == part->place->parts;
}

static inline int32_t tinyops_part_is_ready(tinyops_part_standing standing) {
  return standing.state == TINYOPS_PART_READY;
}

/* Whether this part, and what lies around it, can compute now; who cannot, else. */
tinyops_part_standing tinyops_part_stands(tinyops_part *part);

/* The model is another one, or gone: whatever was on its way is forgotten. */
void tinyops_part_refresh(tinyops_part *part);
/* Decides again, as something may be known anew, and switches; what follows is told by `tell`. */
void tinyops_part_change_sets(tinyops_part *part);

/* Sends a frame on the line, from its type on, `length` bytes at `frame` with room for 2 more. */
void tinyops_part_send_down(tinyops_part *part, uint8_t *frame, uint32_t length);
/* Says that an inference has no result, and why. The last part tells its host, and the network. */
void tinyops_part_say_unavailable(tinyops_part *part, uint32_t number, tinyops_part_standing why);
/* The same, and counts it. */
void tinyops_part_miss(tinyops_part *part, uint32_t number, tinyops_part_standing why);
/* MISSING: ranges of what comes, or none for a message that was taken. */
void tinyops_part_send_missing(tinyops_part *part, int32_t whole);
/* Tells both neighbours, when there is something new or it is time. Returns 1 when it did. */
int32_t tinyops_part_tell(tinyops_part *part);
/* What the last part tells its host of that there are no results, when that begins and while it
 * lasts. Returns 1 when it did. */
int32_t tinyops_part_report(tinyops_part *part);

#endif
