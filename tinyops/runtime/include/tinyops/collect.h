/* The collector: a board whose program sends what its sensor measures, to whoever records it.
 *
 *   init -> { poll -> (0) port.idle } for ever
 *
 * It speaks the link (tinyops/link) with requests of its own: HELLO, STATS, RESET_STATE,
 * COLLECT_START, COLLECT_STOP. Frames go out in SAMPLES reports, whole ones together, a large one
 * in pieces. Nothing is lost in silence: while the line takes no more, frames wait in the sensor,
 * and what it cannot keep counts as missed and leaves a gap in the frames' numbers.
 *
 * The caller owns all memory and the port; the collector allocates nothing and keeps no globals. */
#ifndef TINYOPS_COLLECT_H
#define TINYOPS_COLLECT_H

#include <stdint.h>

#include "tinyops/app.h"
#include "tinyops/link.h"
#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What the collector works with. Everything pointed to outlives it. */
typedef struct {
  const tinyops_port *port; /* without a sensor, or when that fails, requests are refused */
  const char *name;         /* the board's name in the catalogue */
  const uint8_t *contract;  /* 32 bytes: SHA-256 of the signal's contract */
  int16_t *frame;           /* room for one frame, which is left alone between two polls */
  uint32_t frame_values;    /* of a frame: channels, times height and width of a picture */
  uint32_t rate_millihz;    /* of frames, when the host asks for none of its own */
} tinyops_collect_board;

/* What a collector does. */
typedef enum {
  TINYOPS_COLLECT_RESTS = 0,
  TINYOPS_COLLECT_RUNS = 1,  /* a take is under way */
  TINYOPS_COLLECT_PIECES = 2 /* and a large frame is on its way in pieces */
} tinyops_collect_state;

/* State of the collector; the caller provides the memory and leaves it alone. */
typedef struct {
  const tinyops_collect_board *board;
  tinyops_collect_state state;
  uint8_t take;     /* number of the take, the host's */
  uint8_t asked;    /* sequence number of its COLLECT_START */
  uint8_t sequence; /* of the next report */
  uint32_t taken;   /* frames from the sensor since the take began, modulo 2^32 */
  uint32_t missed;  /* frames that it lost before the newest one of these, or that were cut off */
  uint32_t missed_base; /* what the sensor had lost when the take began */
  uint32_t clock_ms;    /* when the newest frame was taken */
  uint32_t first;       /* number of the first frame in `report` */
  uint32_t oldest_ms;   /* when that one was taken */
  uint32_t waiting;     /* frames in `report` that have not been sent */
  uint32_t piece_at;    /* value of `board->frame` from which on it is still to be sent */
  tinyops_app_decoder decoder;
  uint8_t reply[TINYOPS_LINK_FRAME_MAX];
  uint8_t report[TINYOPS_LINK_FRAME_MAX]; /* SAMPLES in the making */
} tinyops_collect;

/* Prepares `self`, at rest. */
void tinyops_collect_init(tinyops_collect *self, const tinyops_collect_board *board);

/* Feeds the watchdog; takes the bytes that have come, up to the end of one request, and answers it;
 * takes frames from the sensor and sends at most one report. Returns 1 when there was something, 0
 * when the port may sleep. */
int32_t tinyops_collect_poll(tinyops_collect *self);

/* For the collector's own files. Begins a take: what was under way is forgotten. Returns 0, or why
 * not. */
int32_t tinyops_collect_start(tinyops_collect *self, uint32_t rate_millihz);
/* Ends a take: what waits is sent, a frame of which pieces are missing is lost. */
void tinyops_collect_stop(tinyops_collect *self);
/* Takes frames and sends at most one report. Returns 1 when there was something to do, 0, or a
 * negative number when the sensor has failed: then the take has ended. */
int32_t tinyops_collect_frames(tinyops_collect *self);

#ifdef __cplusplus
}
#endif

#endif
