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

/* What a part knows of sets, of which it may have two: parts of one set compute one model. All
 * zeros is no set: an empty spare slot, a neighbour that is silent or has no such neighbour beyond.
 * Rules:
 *
 *   first part   offers what it runs and holds ready, first what it was asked to run
 *   each part    passes on of these what it runs or holds ready itself
 *   last part    runs one of them; what it runs is the commit
 *   each part    passes the commit back up; a part switches only to what is committed
 *
 * Everything follows from what is known now: a word that is lost, late, doubled or told before a
 * reset changes nothing for good, and a reset between any two steps goes on where it was. */
typedef struct {
  uint8_t position, parts;
  uint8_t wished;  /* 1: somebody asked for the spare, and it has proven itself */
  uint8_t doubted; /* 1: a reset came in the spare's trial: never offered, a commit is followed */
  uint8_t offer_wished; /* 1: `offered` is what the first part was asked to run, as it was told */
  uint8_t running[TINYOPS_CHAIN_SET_BYTES]; /* the part's own: runs, where its image can run */
  uint8_t spare[TINYOPS_CHAIN_SET_BYTES];   /* its own: proven, or run before, in the spare slot */
  uint8_t offered[TINYOPS_CHAIN_SET_BYTES]; /* as the part before told last; of the first: zeros */
  uint8_t also[TINYOPS_CHAIN_SET_BYTES];    /* the other one that it offered */
  uint8_t committed[TINYOPS_CHAIN_SET_BYTES]; /* as the part after told last; of the last: zeros */
} tinyops_chain_view;

/* What follows from it. */
typedef struct {
  uint8_t offered[TINYOPS_CHAIN_SET_BYTES];   /* to tell the part after */
  uint8_t also[TINYOPS_CHAIN_SET_BYTES];      /* another one, less wanted */
  uint8_t committed[TINYOPS_CHAIN_SET_BYTES]; /* to tell the part before */
  uint8_t wished;                             /* to tell the part after, of `offered` */
  uint8_t switches;                           /* 1: what the spare slot holds is to run now */
} tinyops_chain_decision;

/* Pure; in set.c. What no part has told, or one that does not belong there, must be zeros. */
void tinyops_chain_decide(const tinyops_chain_view *view, tinyops_chain_decision *decision);

/* How a part changes its set. Called when nothing is computed and the arena is free. */
typedef struct {
  /* Pure; tinyops_chain_decide. */
  void (*decide)(const tinyops_chain_view *view, tinyops_chain_decision *decision);
  /* Fills in `spare`, `wished` and `doubted` of the view. May prove an image, which uses the arena:
   * then 1 is returned, and what lies there is forgotten. */
  int32_t (*find_spare)(void *context, struct tinyops_app *app, tinyops_chain_view *view);
  /* Makes the spare image the one that runs, `app->model` and `app->state` too. One that has not
   * proven itself since it was asked for is only asked for: find_spare proves it. */
  void (*apply)(void *context, struct tinyops_app *app);
} tinyops_chain_switching;

/* In app/update.c, where it is built with TINYOPS_PART. Makes the model image in a slot the
 * application's, or none for a slot that is none. */
void tinyops_app_use(tinyops_app *app, int32_t slot, const tinyops_image_info *info);
/* Whether the model computes what its image says, from a cleared state to a cleared state. */
int32_t tinyops_app_passes(tinyops_app *app, const tinyops_image_info *info);

/* What a part knows of the image in its spare slot; zeroed by the caller before its first use. */
typedef struct {
  uint8_t is_found; /* the others are what the record `sequence` of the slots says */
  uint8_t wished, doubted, is_proven;
  uint32_t sequence;
  uint8_t spare[TINYOPS_CHAIN_SET_BYTES];
  uint8_t proven[TINYOPS_SLOTS_DIGEST_BYTES]; /* the image that has computed what it says */
} tinyops_chain_spare;

/* Switching between the slots of `app->board->updates`, with a tinyops_chain_spare as its context;
 * in switch.c. */
extern const tinyops_chain_switching tinyops_chain_slots;

/* Where the bytes of a message lie. */
typedef struct {
  const tinyops_model_tensor *tensors; /* null: all of them at `arena`, one after the other */
  uint32_t count, bytes;
  uint8_t *arena, *held;
} tinyops_message;

/* Copies a stretch of a message out of, or into, the places where it lies. Outside it, nothing. */
void tinyops_message_read(const tinyops_message *message, uint32_t at, uint8_t *to, uint32_t count);
void tinyops_message_write(const tinyops_message *message, uint32_t at, const uint8_t *from,
                           uint32_t count);
/* Copies its tensors that are held from the arena to where they are held. */
void tinyops_message_hold(const tinyops_message *message);
/* The CRC-32 that ends a message: of set, number and bytes. */
uint32_t tinyops_message_crc(const tinyops_message *message, const uint8_t *set, uint32_t number);

/* A message on its way out. */
typedef struct {
  tinyops_message message;
  uint32_t number, crc, pieces;
  uint32_t left;     /* pieces that are to be sent */
  uint32_t begun_ms; /* when it was begun */
  uint8_t active;
  uint8_t spoke; /* what the receiver told of itself since something was sent, without an answer */
  uint8_t pending[TINYOPS_PART_PIECES_MAX / 8];
} tinyops_pieces_out;

/* Begins to send. The message must stay where it is while `active`. */
void tinyops_pieces_begin(tinyops_pieces_out *out, const tinyops_message *message,
                          const uint8_t *set, uint32_t number, uint32_t now_ms);
/* Puts the next frame that is to be sent at `frame` (TINYOPS_LINK_FRAME_MAX bytes), from its type
 * on. Returns its length, 0: none now. A receiver that speaks on and on is asked whether the
 * message is whole. */
uint32_t tinyops_pieces_next(tinyops_pieces_out *out, uint8_t *frame);
/* The receiver has told of itself: the newest inference that it has begun, and with the frame's
 * sequence number the end of the one whose message it took last. Where that is this message's, its
 * own answer was lost: it is no longer active. */
void tinyops_pieces_told(tinyops_pieces_out *out, uint8_t sequence, uint32_t number);
/* A MISSING came. Returns 1 when it says that the message has arrived: it is no longer active. */
int32_t tinyops_pieces_missing(tinyops_pieces_out *out, uint8_t sequence, const uint8_t *payload,
                               uint32_t bytes);

/* What becomes of a message on its way in. */
typedef enum {
  TINYOPS_PIECES_NOTHING = 0,
  TINYOPS_PIECES_ASK = 1,   /* MISSING is to be sent; see tinyops_pieces_ask */
  TINYOPS_PIECES_AGAIN = 2, /* it has been taken before: MISSING without ranges is to be sent */
  TINYOPS_PIECES_WHOLE = 3, /* it is whole */
  TINYOPS_PIECES_LOST = 4   /* it was given up */
} tinyops_pieces_event;

/* A message on its way in. */
typedef struct {
  tinyops_message message;
  const uint8_t *set;
  uint32_t number; /* of the message that comes; else of the last one that was taken */
  uint32_t pieces, have, crc;
  uint32_t heard_ms; /* when a new piece came, or was asked for, last */
  uint8_t asks;      /* without a new piece since */
  uint8_t damaged;   /* how often it was whole and its CRC wrong */
  uint8_t open;      /* it comes */
  uint8_t whole;     /* it is whole, and not yet taken */
  uint8_t taken;     /* `number` was, or a message of that number was given up */
  uint8_t came[TINYOPS_PART_PIECES_MAX / 8];
} tinyops_pieces_in;

/* Forgets what came. `number`: the newest inference that the sender has begun; its next ones have
 * higher numbers. */
void tinyops_pieces_await(tinyops_pieces_in *in, const tinyops_message *message, const uint8_t *set,
                          uint32_t number);
/* A PIECE came. */
tinyops_pieces_event tinyops_pieces_take(tinyops_pieces_in *in, uint8_t sequence,
                                         const uint8_t *payload, uint32_t bytes, uint32_t now_ms);
/* Time goes by: asks when nothing has come for `quiet_ms`, a bounded number of times. */
tinyops_pieces_event tinyops_pieces_wait(tinyops_pieces_in *in, uint32_t now_ms, uint32_t quiet_ms);
/* Puts the ranges of a MISSING at `payload`, room for 4 * TINYOPS_PART_RANGES_MAX bytes. Returns
 * their bytes: 0 when the message is whole. */
uint32_t tinyops_pieces_ask(const tinyops_pieces_in *in, uint8_t *payload);
/* The message is taken, or given up: the next one may come. */
void tinyops_pieces_done(tinyops_pieces_in *in);

/* A neighbour as it told of itself last. */
typedef struct {
  uint8_t heard;     /* it has told, and not been silent for too long since */
  uint8_t known;     /* it has told since this part started */
  uint8_t lost;      /* it was silent for too long */
  uint32_t heard_ms; /* when anything of it came last; before it told: when this part started */
  uint8_t told[TINYOPS_LINK_PART_STATE_SIZE];
} tinyops_neighbour;

/* What a part that is not the first needs beside, for what comes. The caller provides the memory.
 */
typedef struct {
  tinyops_neighbour before;
  tinyops_pieces_in in;
  tinyops_app_decoder decoder; /* of the upstream stream */
} tinyops_part_inlet;

/* What stays the same about a part. */
typedef struct {
  uint8_t position, parts;
  tinyops_part_inlet *inlet;                /* of a part that is not the first; else null */
  uint32_t after_ms;                        /* a neighbour that is silent for so long is lost */
  const uint32_t *words;                    /* of a model that lies in no slot; else null */
  const tinyops_chain_switching *switching; /* may be null: what runs stays */
  void *switching_context;
} tinyops_part_place;

/* Whether a neighbour and what lies beyond it can be counted on. */
typedef struct {
  uint8_t state; /* TINYOPS_PART_READY ... */
  uint8_t part;  /* which this is about, TINYOPS_PART_NONE: none */
} tinyops_part_standing;

/* State of a part; the caller provides the memory and leaves it alone. The application is its first
 * member: what calls the part from there finds it by that. */
typedef struct {
  tinyops_app app;
  const tinyops_part_place *place;
  uint32_t after_ms;               /* of place, where it makes sense */
  const tinyops_model_part *model; /* null: no image that can run here */
  uint32_t loads;                  /* of app, when `model` was found */
  uint32_t number;                 /* of the newest inference begun */
  uint32_t missed;                 /* inferences that had no result, since start-up */
  tinyops_part_inlet *inlet;       /* of place */
  tinyops_neighbour after;
  tinyops_pieces_out out;
  tinyops_chain_view sets;
  tinyops_chain_decision decided;
  uint32_t switches, switched_ms; /* of late, and since when */
  uint32_t told_ms;               /* when the neighbours were told last */
  uint32_t told_crc[2];           /* what: the part before, the part after */
  uint32_t unavailable_ms;        /* when the last part told its host so last */
  uint8_t was_ready;
  uint8_t opened;       /* the line's last byte was the 0x00 that ends a piece */
  uint8_t acknowledges; /* the part before is to be told that its message is taken */
} tinyops_part;

/* Prepares application and part. Returns as tinyops_app_init. */
int32_t tinyops_part_init(tinyops_part *part, const tinyops_app_board *board,
                          const tinyops_part_place *place);
/* As tinyops_app_poll, and: takes what came from upstream, up to the end of one frame; sends at
 * most one piece; computes at most once; tells the neighbours. Returns 1 when there was something.
 */
int32_t tinyops_part_poll(tinyops_part *part);

/* For the part's own files. What is known of the neighbours, at `now_ms`; READY where there is none
 * on that side. */
tinyops_part_standing tinyops_part_of_before(tinyops_part *part, uint32_t now_ms);
tinyops_part_standing tinyops_part_of_after(tinyops_part *part, uint32_t now_ms);
/* Takes a PART_STATE's payload. Returns 0 for another length. */
int32_t tinyops_neighbour_take(tinyops_neighbour *neighbour, const uint8_t *payload, uint32_t bytes,
                               uint32_t now_ms);
/* Puts the payload of a PART_STATE at `out`, for a listener for whom `standing` lies beyond. */
void tinyops_part_describe(const tinyops_part *part, tinyops_part_standing standing, uint8_t *out);
/* What the image of `app`'s model says of its part; null: it says nothing, or nothing sound. */
const tinyops_model_part *tinyops_part_find(const tinyops_app *app,
                                            const tinyops_part_place *place);
/* Where the messages of the part's model lie. */
tinyops_message tinyops_part_takes(const tinyops_part *part);
tinyops_message tinyops_part_gives_from(const tinyops_part *part);
/* Memory at the arena's end that no model uses: its bytes; `at` is where it begins. */
uint32_t tinyops_part_room(const tinyops_part *part, uint8_t **at);

/* For the application, where it is built with TINYOPS_PART: it is the first member of a part. */
/* Whether its model can run at this place: TINYOPS_OK, TINYOPS_LINK_ERR_PART or
 * TINYOPS_ERR_ARENA_BYTES. */
int32_t tinyops_part_check(const tinyops_app *app);
/* Takes a frame that the line brought. Returns 0 when it is none between parts. */
int32_t tinyops_part_take(tinyops_app *app, const uint8_t *frame, uint32_t bytes);
/* 1: what lies in the arena is on its way: no frame may be pushed. */
int32_t tinyops_part_is_busy(const tinyops_app *app);
/* The host uses the arena: what is on its way there is dropped. */
void tinyops_part_yield(tinyops_app *app);
/* A window is complete. Returns 1 when it is not to be computed, which has been told, or is only
 * counted while the message before is on its way. */
int32_t tinyops_part_refuses(tinyops_app *app);
/* Before invoke: holds what invoke would not leave alone. */
void tinyops_part_hold(tinyops_app *app);
/* After it. Returns 1 when the outputs are not the chain's result: they have been passed on. */
int32_t tinyops_part_gives(tinyops_app *app);
/* The host has invoked the model: of a first part whose chain is ready, the outputs go on. */
void tinyops_part_invoked(tinyops_app *app);
/* In app.c: invokes the model on what came and acts on its result as ever. Returns its status. */
int32_t tinyops_app_infer_part(tinyops_app *app);

#ifdef __cplusplus
}
#endif

#endif
