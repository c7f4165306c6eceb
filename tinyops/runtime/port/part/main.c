/* A part of a chain on a board with an operating system.
 *
 *   part --model MODEL.SO | --slots FOLDER [--line STREAM] [--upstream STREAM]
 *        [--replay FILE | --pipe FILE] [--bridge STREAM]
 *
 * STREAM: see stream.h. The line leads to the part after, or to the host of the last part, by
 * default on standard input and output; --upstream leads to the part before. The sensor of a first
 * part is a recording, see replay.h, or what another program writes into a pipe, see pipe.h.
 * Whoever connects at --bridge speaks with the part before as its host: its bytes pass to there,
 * and all that comes from there passes to it. --slots: two models, of which one runs until the
 * chain has another set; see models.h. Place in the chain and contract are built in. 2: it cannot
 * start. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "machine.h"
#include "models.h"
#include "part_settings.h"
#include "stream.h"
#include "tinyops/chain.h"

enum { IDLE_MS = 20, IDLE_LONG_MS = 50, PASSED_BYTES = 512 };

typedef struct {
  machine_sensor sensor; /* the first member: the sensor's functions find it by that */
  stream line, upstream, bridge;
  int bridged;
  uint8_t passing[1024]; /* of what came from the bridge, `passed` bytes that wait for the rest */
  uint32_t passed;
  uint64_t opened_us;
  const char *model, *slots;
  tinyops_port port;
  tinyops_app_board board;
  tinyops_part_inlet inlet;
  tinyops_part_place place;
  tinyops_part part;
  part_models models;
  int stands;
} machine;

static int32_t read_byte(void *context) {
  return stream_read_byte(&((machine *)context)->line, machine_now_us());
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  stream_write(&((machine *)context)->line, bytes, count);
}

static int32_t read_upstream(void *context) {
  machine *self = context;
  const int32_t byte = stream_read_byte(&self->upstream, machine_now_us());
  if (self->bridged && byte != TINYOPS_PORT_NO_BYTE) {
    const uint8_t passed = (uint8_t)byte;
    stream_write(&self->bridge, &passed, 1);
  }
  return byte;
}

static void write_upstream(void *context, const uint8_t *bytes, uint32_t count) {
  stream_write(&((machine *)context)->upstream, bytes, count);
}

/* What a host asks of the part before: whole lines and frames, between which this part's own go. Of
 * a host that never stops a stretch, so that it does not stop this part. Returns 1 when there was
 * something. */
static int32_t pass_up(machine *self) {
  for (uint32_t taken = 0; self->bridged && taken < PASSED_BYTES; taken++) {
    const int32_t byte = stream_read_byte(&self->bridge, machine_now_us());
    if (byte == TINYOPS_PORT_NO_BYTE) {
      return taken > 0;
    }
    self->passing[self->passed++] = (uint8_t)byte;
    if (byte == 0 || byte == '\n' || self->passed == sizeof(self->passing)) {
      stream_write(&self->upstream, self->passing, self->passed);
      self->passed = 0;
    }
  }
  return self->bridged;
}

static uint32_t now_ms(void *context) {
  return (uint32_t)((machine_now_us() - ((const machine *)context)->opened_us) / 1000u);
}

static void start_ticks(void *context) { (void)context; }

static uint32_t ticks(void *context) {
  (void)context;
  return 0;
}

static void idle(void *context) {
  machine *self = context;
  struct pollfd wait[4] = {{.fd = stream_wait(&self->line), .events = POLLIN},
                           {.fd = -1, .events = POLLIN},
                           {.fd = -1, .events = POLLIN},
                           {.fd = machine_sensor_file(&self->sensor), .events = POLLIN}};
  int ms = IDLE_MS;
  if (PART_POSITION > 0) {
    wait[1].fd = stream_wait(&self->upstream);
    ms = wait[0].fd >= 0 && wait[1].fd >= 0 ? IDLE_LONG_MS : IDLE_MS;
  }
  if (self->bridged) {
    wait[2].fd = stream_wait(&self->bridge);
  }
  (void)poll(wait, 4, machine_sensor_ms(&self->sensor, ms));
}

/* -- starting -- */

static void open_stream(stream *self, const char *option, const char *spec) {
  const char *wrong = stream_open(self, spec);
  if (wrong != NULL) {
    (void)fprintf(stderr, "%s ", option);
    machine_fail(spec, wrong);
  }
}

static int takes_option(machine *self, const char *option, const char *value) {
  if (strcmp(option, "--model") == 0) {
    self->model = value;
  } else if (strcmp(option, "--slots") == 0) {
    self->slots = value;
  } else if (strcmp(option, "--bridge") == 0) {
    self->bridged = 1;
    open_stream(&self->bridge, option, value);
    self->bridge.patience_ms = 0; /* no host of the part before holds up the chain */
  } else if (strcmp(option, "--replay") == 0 || strcmp(option, "--pipe") == 0) {
    self->port.sensor = machine_open_sensor(&self->sensor, option, value, FRAME_VALUES, 1);
  } else {
    return 0;
  }
  return 1;
}

static void read_options(machine *self, int count, char **words) {
  const char *line = "std", *upstream = NULL;
  for (int i = 1; i < count; i += 2) {
    const char *value = i + 1 < count ? words[i + 1] : "";
    if (strcmp(words[i], "--line") == 0) {
      line = value;
    } else if (strcmp(words[i], "--upstream") == 0) {
      upstream = value;
    } else if (!takes_option(self, words[i], value)) {
      machine_fail(words[i], "unknown option");
    }
  }
  if ((self->model == NULL) == (self->slots == NULL) || (PART_POSITION > 0) != (upstream != NULL)) {
    machine_fail("usage",
                 PART_POSITION > 0
                     ? "part --model MODEL.SO | --slots FOLDER --upstream STREAM [OPTION]..."
                     : "part --model MODEL.SO | --slots FOLDER [OPTION]..., without --upstream");
  }
  open_stream(&self->line, "--line", line);
  if (upstream != NULL) {
    open_stream(&self->upstream, "--upstream", upstream);
  }
}

/* What the program is, but for its sensor and its model. */
static void describe(machine *self) {
  static const uint8_t contract[32] = CONTRACT_SHA256;
  static const tinyops_port_stream upstream = {read_upstream, write_upstream};
  static int16_t frame[FRAME_VALUES + 1];
  self->port = (tinyops_port){.context = self,
                              .read_byte = read_byte,
                              .write = write_bytes,
                              .start_ticks = start_ticks,
                              .ticks = ticks,
                              .tick_hz = 1,
                              .idle = idle,
                              .measure = machine_measure,
                              .now_ms = now_ms,
                              .upstream = PART_POSITION > 0 ? &upstream : NULL};
  self->board = (tinyops_app_board){.port = &self->port,
                                    .name = PART_BOARD,
                                    .contract = contract,
                                    .frame = frame,
                                    .frame_values = FRAME_VALUES,
                                    .rate_millihz = RATE_MILLIHZ};
  self->place = (tinyops_part_place){.position = PART_POSITION,
                                     .parts = PART_COUNT,
                                     .after_ms = PART_AFTER_MS,
                                     .inlet = PART_POSITION > 0 ? &self->inlet : NULL};
}

static void load(machine *self) {
  part_models *models = &self->models;
  const char *wrong = self->slots != NULL ? part_models_open(models, self->slots)
                                          : part_model_load(&models->models[0], self->model);
  if (wrong != NULL) {
    machine_fail(self->slots != NULL ? self->slots : self->model, wrong);
  }
  const part_model *first = &models->models[models->active];
  tinyops_app_board *board = &self->board;
  board->loaded = first->model;
  board->arena_bytes = part_model_bytes(first);
  self->place.words = first->words;
  models->board = board;
  models->place = &self->place;
  self->place.switching = self->slots != NULL ? &part_models_switching : NULL;
  self->place.switching_context = models;
  if (board->arena_bytes == 0 ||
      posix_memalign(&board->arena, TINYOPS_ARENA_ALIGN, board->arena_bytes) != 0) {
    machine_fail("memory", "not enough");
  }
}

/* Whoever started it waits for that: its model runs, and its neighbours have been told. Said again
 * where it could not be written. */
static void say_that_it_stands(machine *self) {
  if (self->slots != NULL && !self->stands && self->part.model != NULL) {
    self->stands = part_models_stand(&self->models);
  }
}

int main(int count, char **words) {
  static machine self;
  (void)signal(SIGPIPE, SIG_IGN);
  self.opened_us = machine_now_us();
  describe(&self);
  read_options(&self, count, words);
  if (self.port.sensor != NULL && RATE_MILLIHZ == 0) {
    self.board.rate_millihz = 1;
  }
  load(&self);
  if (tinyops_part_init(&self.part, &self.board, &self.place) != TINYOPS_OK) {
    (void)fprintf(stderr, "the model cannot run here: status %d\n", (int)self.part.app.state);
  }
  for (;;) {
    const int32_t did = tinyops_part_poll(&self.part);
    say_that_it_stands(&self);
    if (pass_up(&self) == 0 && did == 0) {
      idle(&self);
    }
  }
}
