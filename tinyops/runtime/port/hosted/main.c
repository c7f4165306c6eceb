/* A collector as a program of Linux.
 *
 *   collector [--replay FILE | --pipe FILE] [--tcp PORT | --udp PORT] [--address ADDRESS]
 *
 * Speaks the link on standard input and output; or at a port, of this machine alone unless ADDRESS
 * says otherwise (0.0.0.0: whoever reaches it may listen), which it names on standard error. The
 * sensor is a recording (see replay.h), or what another program writes into a pipe (pipe.h);
 * without either there is none. Ends with the end of standard input; 2: it cannot start. */
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "collector.h"
#include "lines.h"
#include "pipe.h"
#include "replay.h"
#include "tinyops/collect.h"

enum { IDLE_MS = 500 };

typedef struct {
  lines line;
  replay recording;
  sensor_pipe pipe;
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

static int32_t read_byte(void *context) { return lines_read_byte(&((machine *)context)->line); }

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  lines_write(&((machine *)context)->line, bytes, count);
}

static uint32_t now_ms(void *context) {
  return (uint32_t)((now_us() - ((const machine *)context)->opened_us) / 1000u);
}

/* A process of Linux has more than it can tell. */
static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){0};
}

static int32_t start_replay(void *context, uint32_t rate_millihz) {
  return replay_start(&((machine *)context)->recording, now_us(), rate_millihz);
}

static int32_t poll_replay(void *context, int16_t *values, uint32_t count) {
  return replay_poll(&((machine *)context)->recording, now_us(), values, count);
}

static uint32_t missed_of_replay(void *context) {
  return replay_missed(&((machine *)context)->recording);
}

static int32_t start_pipe(void *context, uint32_t rate_millihz) {
  (void)rate_millihz; /* the other program's to keep */
  pipe_start(&((machine *)context)->pipe);
  return 0;
}

static int32_t poll_pipe(void *context, int16_t *values, uint32_t count) {
  (void)count;
  return pipe_poll(&((machine *)context)->pipe, values);
}

static uint32_t missed_of_pipe(void *context) { return ((machine *)context)->pipe.missed; }

static const tinyops_port_sensor replaying = {start_replay, poll_replay, missed_of_replay};
static const tinyops_port_sensor piping = {start_pipe, poll_pipe, missed_of_pipe};

/* Frames do not wait in the kernel, which would lose them in silence. */
static void meanwhile(void *context) {
  machine *self = context;
  if (self->pipe.frame_bytes > 0) {
    pipe_receive(&self->pipe);
  }
}

static void idle(void *context) {
  machine *self = context;
  struct pollfd wait[2] = {{.fd = lines_wait(&self->line), .events = POLLIN},
                           {.fd = -1, .events = POLLIN}};
  int ms = IDLE_MS;
  if (self->pipe.frame_bytes > 0 && !self->pipe.ended) {
    wait[1].fd = self->pipe.file;
  } else if (self->recording.runs) {
    ms = replay_wait_ms(&self->recording, now_us());
  }
  (void)poll(wait, 2, ms < 0 || ms > IDLE_MS ? IDLE_MS : ms);
}

static uint16_t port_number(const char *text) {
  char *end = NULL;
  const unsigned long number = strtoul(text, &end, 10);
  if (*text == 0 || *end != 0 || number > UINT16_MAX) {
    fail(text, "no port number");
  }
  return (uint16_t)number;
}

static const tinyops_port_sensor *open_sensor(machine *self, const char *option, const char *path) {
  const int replays = strcmp(option, "--replay") == 0;
  const char *wrong =
      replays ? replay_open(&self->recording, path) : pipe_open(&self->pipe, path, FRAME_VALUES);
  if (wrong != NULL) {
    fail(path, wrong);
  }
  return replays ? &replaying : &piping;
}

int main(int count, char **words) {
  static const uint8_t contract[32] = SIGNAL_SHA256;
  static int16_t frame[FRAME_VALUES];
  static tinyops_collect collect;
  static machine self;
  const char *address = "127.0.0.1";
  lines_kind kind = LINES_STANDARD;
  uint16_t number = 0;
  tinyops_port port = {.context = &self,
                       .read_byte = read_byte,
                       .write = write_bytes,
                       .now_ms = now_ms,
                       .measure = measure,
                       .idle = idle};
  (void)signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < count; i += 2) {
    const char *value = i + 1 < count ? words[i + 1] : "";
    if (strcmp(words[i], "--replay") == 0 || strcmp(words[i], "--pipe") == 0) {
      port.sensor = open_sensor(&self, words[i], value);
    } else if (strcmp(words[i], "--tcp") == 0 || strcmp(words[i], "--udp") == 0) {
      kind = words[i][2] == 't' ? LINES_TCP : LINES_UDP;
      number = port_number(value);
    } else if (strcmp(words[i], "--address") == 0) {
      address = value;
    } else {
      fail(words[i], "unknown option");
    }
  }
  self.opened_us = now_us();
  const char *wrong = lines_open(&self.line, kind, address, number);
  if (wrong != NULL) {
    fail(address, wrong);
  }
  self.line.meanwhile = meanwhile;
  self.line.context = &self;
  if (kind != LINES_STANDARD) {
    (void)fprintf(stderr, "listening at %s:%u\n", address, lines_port(&self.line));
  }
  const tinyops_collect_board board = {.port = &port,
                                       .name = COLLECTOR_BOARD,
                                       .contract = contract,
                                       .frame = frame,
                                       .frame_values = FRAME_VALUES,
                                       .rate_millihz = RATE_MILLIHZ};
  tinyops_collect_init(&collect, &board);
  for (;;) {
    if (tinyops_collect_poll(&collect) == 0) {
      idle(&self);
    }
  }
}
