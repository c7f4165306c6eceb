/* The application: checks the model image in its slot, serves the link, runs the model.
 *
 *   init -> { poll -> (0) port.idle } for ever
 *
 * Where the port has a sensor, its frames are pushed at the contract's rate and each result is sent
 * unasked, until the host feeds the model itself; see sensing.c.
 *
 * The caller owns all memory and the port; the application allocates nothing and keeps no globals.
 * A missing or bad image is no error here: the link says so and refuses what needs a model. */
#ifndef TINYOPS_APP_H
#define TINYOPS_APP_H

#include <stdint.h>

#include "tinyops/health.h"
#include "tinyops/link.h"
#include "tinyops/model.h"
#include "tinyops/port.h"
#include "tinyops/slots.h"
#include "tinyops/smp.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A model that can be called: an image in a slot, or one that is linked or loaded. */
typedef struct {
  const tinyops_model_header *header;
  tinyops_model_init_fn init;
  tinyops_model_push_fn push;
  tinyops_model_prepare_fn prepare;
  tinyops_model_invoke_fn invoke;
} tinyops_app_model;

struct tinyops_app;
struct tinyops_app_deltas;
struct tinyops_settings;

/* Images that replace each other in slots; see update.c. The caller provides the memory, and leaves
 * it alone once tinyops_app_attach_updates has filled it in. */
typedef struct {
  tinyops_slots *slots;
  struct tinyops_settings *settings;     /* hold the keys */
  uint8_t *keys;                         /* room for TINYOPS_SLOTS_KEYS_MAX of them */
  uint8_t refused[TINYOPS_SLOTS_IMAGES]; /* why last, a negated status; 0: since then begun */
  uint8_t ended;   /* a trial was, by whoever asked for it: the model before is to run again */
  uint32_t taken;  /* bytes of the last file that came whole, 0: none since start-up */
  uint32_t gap_ms; /* how long the last swap stopped inference */
  uint32_t lost;   /* frames of the sensor, in swaps */
  struct tinyops_app_deltas *deltas; /* null: images are taken whole; see delta.h */
  /* Finds the model to run, and tries one that is to run for the first time. A firmware on trial
   * that fails its self-test reverts, by a reset. */
  void (*boot)(struct tinyops_app *app);
  /* Between two inferences: starts the trial of a model that is pending, and ends it when it fails
   * its self-test. */
  void (*swap)(struct tinyops_app *app);
} tinyops_app_updates;

/* What the application works with. Everything pointed to outlives it. */
typedef struct {
  const tinyops_port *port;
  const char *name;        /* the board's name in the catalogue */
  const uint8_t *contract; /* 32 bytes: SHA-256 of the firmware's contract */
  const void *slot;        /* where a model image lies, 4-aligned; null: `loaded` is the model */
  uint32_t slot_bytes;
  tinyops_app_model loaded;
  tinyops_app_updates *updates; /* null: nothing is replaced; else the model lies where these say */
  void *arena;                  /* aligned to TINYOPS_ARENA_ALIGN */
  uint32_t arena_bytes;
  int16_t *frame; /* room for one sensor frame */
  uint32_t frame_values;
  uint32_t rate_millihz; /* of the samples, as the contract says; 0: none, nothing is sensed */
  tinyops_smp *smp;      /* its management, see manage.h; null: the line carries the link alone */
} tinyops_app_board;

/* Takes frames out of a stream of bytes; see tinyops_app_decode. */
typedef struct {
  uint8_t frame[TINYOPS_LINK_FRAME_MAX];
  uint32_t length;     /* bytes in `frame` */
  uint32_t bad_frames; /* dropped so far */
  uint8_t run;         /* bytes left of the COBS run */
  uint8_t code;        /* the run's code byte, 0 before the first */
  uint8_t damaged;     /* the frame is longer than allowed */
} tinyops_app_decoder;

/* What an application does about its port's sensor. */
typedef enum {
  TINYOPS_SENSING_OFF = 0,    /* no sensor, or no model that takes frames */
  TINYOPS_SENSING_ON = 1,     /* frames are pushed */
  TINYOPS_SENSING_YIELDED = 2 /* the host feeds the model: frames are left alone */
} tinyops_sensing;

/* What a byte of the line completed. */
typedef enum {
  TINYOPS_ARRIVED_NOTHING = 0,
  TINYOPS_ARRIVED_FRAME = 1,  /* of the link: frame_bytes at decoder.frame */
  TINYOPS_ARRIVED_MESSAGE = 2 /* of SMP: to be served */
} tinyops_arrival;

/* State of the application; the caller provides the memory and leaves it alone. */
typedef struct tinyops_app {
  const tinyops_app_board *board;
  const void *slot; /* where the model image lies now, null: in none */
  uint32_t slot_bytes;
  tinyops_app_model model; /* valid when state is TINYOPS_OK */
  int32_t state;           /* TINYOPS_OK or why the image cannot run */
  uint32_t loads;          /* of images, since start-up */
  uint32_t image_crc;
  uint32_t inferences;    /* since start-up */
  uint32_t result_index;  /* since the model's state was reset */
  uint32_t cycles;        /* of the last inference, as the port counts them */
  uint32_t frame_arrived; /* values of the frame that is being received */
  tinyops_reset_cause reset_cause;
  uint32_t confidence_steps; /* see tinyops_health */
  uint32_t histogram[TINYOPS_HEALTH_CLASSES_MAX];
  int32_t sensing;     /* a tinyops_sensing, or a negative number: the sensor's own */
  uint32_t yielded_ms; /* when the host fed the model last */
  uint8_t fed;         /* the host has written a tensor that no inference has used yet */
  uint8_t line;        /* what the line is in the middle of; see line.c */
  uint8_t held;        /* a byte whose kind the next one decides */
  uint32_t frame_bytes;
  tinyops_app_decoder decoder;
  uint8_t reply[TINYOPS_LINK_FRAME_MAX];
} tinyops_app;

/* Checks the model and prepares `app`. Returns TINYOPS_OK or why no model can run; either way `app`
 * serves the link. */
int32_t tinyops_app_init(tinyops_app *app, const tinyops_app_board *board);

/* Feeds the watchdog; takes a frame that the sensor has; takes the bytes that have come, up to the
 * end of one frame or SMP message, and answers it. Runs the model at most twice. Returns 1 when
 * there was something, 0 when the port may sleep. */
int32_t tinyops_app_poll(tinyops_app *app);

/* How the board fares. */
void tinyops_app_health(const tinyops_app *app, tinyops_health *health);

/* For the application's own files. Keeps which image runs, for the record of a crash. */
void tinyops_app_keep_image(const tinyops_app *app);
/* Takes one byte of the line, to the link or to SMP. */
tinyops_arrival tinyops_app_take(tinyops_app *app, uint8_t byte);
/* Answers the frame that lies whole in the decoder. */
void tinyops_app_serve(tinyops_app *app);
/* Counts an inference whose outputs lie in the arena. */
void tinyops_app_count(tinyops_app *app);
/* Begins to sample, where there is a sensor and a model that takes its frames. */
void tinyops_app_start_sensing(tinyops_app *app);
/* Takes at most one frame from the sensor and pushes it. Returns 1 when there was one. */
int32_t tinyops_app_sense(tinyops_app *app);
/* The host asks for something with the model: the sensor must wait, and what a part of a chain has
 * in the arena is dropped. */
void tinyops_app_yield(tinyops_app *app);
/* Whether the host has begun something that another model, or its proof, would take from it. It may
 * never end it: then this ends after five seconds. */
static inline int32_t tinyops_app_is_midway(const tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  return (app->frame_arrived != 0 || app->fed != 0) &&
         (port->now_ms == 0 || port->now_ms(port->context) - app->yielded_ms < 5000u);
}
/* Runs the model on what was pushed and acts on the result: reports it, shows it. Returns
 * TINYOPS_OK or the model's negative number. */
int32_t tinyops_app_infer(tinyops_app *app);
/* The index of the largest of the model's int8 outputs, the first among equals. */
uint32_t tinyops_app_best(const tinyops_app *app);

/* Checks the image at `app->slot`, of `app->slot_bytes` bytes, or the board's loaded model where
 * that is null, against arena, frame buffer and contract of the board without calling it, and fills
 * in `app->model`. Returns TINYOPS_OK or the first reason why it cannot run. */
int32_t tinyops_app_find_model(tinyops_app *app);
/* The model at `app->slot`, from its beginning: what was pushed before is forgotten. */
void tinyops_app_load(tinyops_app *app);
/* Clears the model's state. Returns its status. */
int32_t tinyops_app_start_model(tinyops_app *app);

/* What a trial of the model computes on. */
typedef enum {
  TINYOPS_INPUT_KEPT =
      0, /* what the input tensor holds; where rows are streamed, again and again */
  TINYOPS_INPUT_ZEROS = 1, /* zeros */
  TINYOPS_INPUT_SEEDED = 2 /* golden.h's bytes, row by row */
} tinyops_input;

/* Runs the model once, all rows of its input. Returns its status. */
int32_t tinyops_app_run(const tinyops_app *app, tinyops_input input, uint32_t seed);
/* The same from a cleared state, but for a kept input, to a cleared state; what was pushed is
 * forgotten. Puts the CRC-32 of the outputs into `crc`. */
int32_t tinyops_app_try(tinyops_app *app, tinyops_input input, uint32_t seed, uint32_t *crc);

/* For the SMP server, with a tinyops_app_updates as its images. */
extern const tinyops_smp_images tinyops_app_update_calls;

/* Where the slots lie, and the log that says what runs. */
typedef struct {
  tinyops_slot slots[TINYOPS_SLOTS_IMAGES][TINYOPS_SLOTS_EACH];
  tinyops_slot state;
} tinyops_app_places;

/* At start-up: gives `slots`, whose board, contract and buffer the caller has filled in, its
 * places, the port's flash, the table, the keys that the settings hold, and opens them. `keys` has
 * room for TINYOPS_SLOTS_KEYS_MAX of them. Returns `updates`, or null where nothing can be updated:
 * a port without flash, a table that is none, another geometry. */
tinyops_app_updates *tinyops_app_attach_updates(tinyops_app_updates *updates, tinyops_slots *slots,
                                                const tinyops_app_places *places,
                                                const struct tinyops_boot_table *table,
                                                const tinyops_port *port,
                                                struct tinyops_settings *settings, uint8_t *keys);

/* Feeds one byte. Returns the length of a whole, checked frame (type, sequence, payload) that lies
 * at decoder->frame until the next call, or 0. Zero-initialise the decoder before its first use. */
uint32_t tinyops_app_decode(tinyops_app_decoder *decoder, uint8_t byte);

/* Sends type, sequence and payload, `length` bytes at `frame`, which needs room for 2 bytes more:
 * the CRC is written there. */
void tinyops_app_send(const tinyops_port *port, uint8_t *frame, uint32_t length);

/* Sends a FAULT report; for a fault handler: needs a port and about 100 bytes of stack. */
void tinyops_app_send_fault(const tinyops_port *port, uint32_t pc, uint32_t lr, uint32_t psr);

/* CRC-32 as in Ethernet, zip and zlib. */
uint32_t tinyops_app_crc32(const uint8_t *bytes, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
