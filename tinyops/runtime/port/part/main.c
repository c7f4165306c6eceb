/* A part of a chain on a board with an operating system.
 *
 *   part --model MODEL.SO | --slots FOLDER [--line STREAM] [--upstream STREAM] [--replay FILE]
 * [--bridge STREAM]
 *
 * STREAM: see stream.h. The line leads to the part after, or to the host of the last part, by
 * default on standard input and output; --upstream leads to the part before. --replay gives the
 * samples of a recording as the sensor's of a first part, see replay.h. Whoever connects at
 * --bridge speaks with the part before as its host: its bytes pass to there, and all that comes
 * from there passes to it. --slots: two models, of which one runs until the chain has another set;
 * see models.h. Place in the chain and contract are built in. 2: it cannot start. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "models.h"
#include "part_settings.h"
#include "replay.h"
#include "stream.h"
#include "tinyops/chain.h"

enum { IDLE_MS = 20, IDLE_LONG_MS = 50, PASSED_BYTES = 512 };

typedef struct {
  stream line, upstream, bridge;
  int bridged;
  uint8_t passing[1024]; /* of what came from the bridge, `passed` bytes that wait for the rest */
  uint32_t passed;
  replay recording;
  int replays;
  uint64_t opened_us;
} machine;

static void fail(const char *what, const char *why) {
  (void)fprintf(stderr, "%s: %s\n", what, why);
  exit(2);
}

static uint64_t now_us(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

static int32_t read_byte(void *context) {
  return stream_read_byte(&((machine *)context)->line, now_us());
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  stream_write(&((machine *)context)->line, bytes, count);
}

static int32_t read_upstream(void *context) {
  machine *self = context;
  const int32_t byte = stream_read_byte(&self->upstream, now_us());
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
    const int32_t byte = stream_read_byte(&self->bridge, now_us());
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
  return (uint32_t)((now_us() - ((const machine *)context)->opened_us) / 1000u);
}

static void start_ticks(void *context) { (void)context; }

static uint32_t ticks(void *context) {
  (void)context;
  return 0;
}

/* A process of Linux has more than it can tell. */
static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){0};
}

static int32_t start_sensor(void *context, uint32_t rate_millihz) {
  return replay_start(&((machine *)context)->recording, now_us(), rate_millihz);
}

static int32_t poll_sensor(void *context, int16_t *values, uint32_t count) {
  return replay_poll(&((machine *)context)->recording, now_us(), values, count);
}

static uint32_t missed(void *context) { return replay_missed(&((machine *)context)->recording); }

static void idle(void *context) {
  machine *self = context;
  struct pollfd wait[3] = {{.fd = stream_wait(&self->line), .events = POLLIN},
                           {.fd = -1, .events = POLLIN},
                           {.fd = -1, .events = POLLIN}};
  int ms = IDLE_MS;
  if (PART_POSITION > 0) {
    wait[1].fd = stream_wait(&self->upstream);
    ms = wait[0].fd >= 0 && wait[1].fd >= 0 ? IDLE_LONG_MS : IDLE_MS;
  }
  if (self->bridged) {
    wait[2].fd = stream_wait(&self->bridge);
  }
  if (self->replays) {
    const int next = replay_wait_ms(&self->recording, now_us());
    ms = next >= 0 && next < ms ? next : ms;
  }
  (void)poll(wait, 3, ms);
}

static void open_stream(stream *self, const char *option, const char *spec) {
  const char *wrong = stream_open(self, spec);
  if (wrong != NULL) {
    (void)fprintf(stderr, "%s ", option);
    fail(spec, wrong);
  }
}

static void read_options(machine *self, int count, char **words, const char **model,
                         const char **slots) {
  const char *line = "std", *upstream = NULL;
  for (int i = 1; i < count; i += 2) {
    const char *value = i + 1 < count ? words[i + 1] : "";
    if (strcmp(words[i], "--model") == 0) {
      *model = value;
    } else if (strcmp(words[i], "--slots") == 0) {
      *slots = value;
    } else if (strcmp(words[i], "--line") == 0) {
      line = value;
    } else if (strcmp(words[i], "--upstream") == 0) {
      upstream = value;
    } else if (strcmp(words[i], "--bridge") == 0) {
      self->bridged = 1;
      open_stream(&self->bridge, words[i], value);
      self->bridge.patience_ms = 0; /* no host of the part before holds up the chain */
    } else if (strcmp(words[i], "--replay") == 0) {
      const char *wrong = replay_open(&self->recording, value);
      self->replays = 1;
      if (wrong != NULL) {
        fail(value, wrong);
      }
    } else {
      fail(words[i], "unknown option");
    }
  }
  if ((*model == NULL) == (*slots == NULL) || (PART_POSITION > 0) != (upstream != NULL)) {
    fail("usage", PART_POSITION > 0
                      ? "part --model MODEL.SO | --slots FOLDER --upstream STREAM [OPTION]..."
                      : "part --model MODEL.SO | --slots FOLDER [OPTION]..., without --upstream");
  }
  open_stream(&self->line, "--line", line);
  if (upstream != NULL) {
    open_stream(&self->upstream, "--upstream", upstream);
  }
}

int main(int count, char **words) {
  static const uint8_t contract[32] = CONTRACT_SHA256;
  static const tinyops_port_stream upstream = {read_upstream, write_upstream};
  static const tinyops_port_sensor sensor = {start_sensor, poll_sensor, missed};
  static int16_t frame[FRAME_VALUES + 1];
  static machine self;
  static tinyops_part part;
  static part_models models;
  const char *model = NULL, *slots = NULL;
  (void)signal(SIGPIPE, SIG_IGN);
  self.opened_us = now_us();
  read_options(&self, count, words, &model, &slots);
  const tinyops_port port = {.context = &self,
                             .read_byte = read_byte,
                             .write = write_bytes,
                             .start_ticks = start_ticks,
                             .ticks = ticks,
                             .tick_hz = 1,
                             .idle = idle,
                             .measure = measure,
                             .now_ms = now_ms,
                             .sensor = self.replays ? &sensor : NULL,
                             .upstream = PART_POSITION > 0 ? &upstream : NULL};
  static tinyops_app_board board;
  board = (tinyops_app_board){.port = &port,
                              .name = PART_BOARD,
                              .contract = contract,
                              .frame = frame,
                              .frame_values = FRAME_VALUES,
                              .rate_millihz = self.replays && RATE_MILLIHZ == 0 ? 1 : RATE_MILLIHZ};
  static tinyops_part_inlet inlet;
  static tinyops_part_place place;
  place = (tinyops_part_place){.position = PART_POSITION,
                               .parts = PART_COUNT,
                               .after_ms = PART_AFTER_MS,
                               .inlet = PART_POSITION > 0 ? &inlet : NULL};
  const char *wrong =
      slots != NULL ? part_models_open(&models, slots) : part_model_load(&models.models[0], model);
  if (wrong != NULL) {
    fail(slots != NULL ? slots : model, wrong);
  }
  const part_model *first = &models.models[models.active];
  board.loaded = first->model;
  board.arena_bytes = part_model_bytes(first);
  place.words = first->words;
  models.board = &board;
  models.place = &place;
  place.switching = slots != NULL ? &part_models_switching : NULL;
  place.switching_context = &models;
  if (board.arena_bytes == 0 ||
      posix_memalign(&board.arena, TINYOPS_ARENA_ALIGN, board.arena_bytes) != 0) {
    fail("memory", "not enough");
  }
  (void)tinyops_part_init(&part, &board, &place);
  for (;;) {
    const int32_t did = tinyops_part_poll(&part);
    if (pass_up(&self) == 0 && did == 0) {
      idle(&self);
    }
  }
}
