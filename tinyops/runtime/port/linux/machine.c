#include "machine.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

void machine_fail(const char *what, const char *why) {
  (void)fprintf(stderr, "%s: %s\n", what, why);
  exit(2);
}

uint64_t machine_now_us(void) {
  struct timespec now = {0};
  (void)clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000u + (uint64_t)now.tv_nsec / 1000u;
}

void machine_never_block(int file) {
  (void)fcntl(file, F_SETFL, fcntl(file, F_GETFL) | O_NONBLOCK);
}

int machine_accept(int listening) {
  const int yes = 1, file = accept(listening, NULL, NULL);
  if (file >= 0) {
    machine_never_block(file);
    (void)setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  }
  return file;
}

void machine_measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){0};
}

/* -- sensors -- */

static int32_t start_replay(void *context, uint32_t rate_millihz) {
  return replay_start(&((machine_sensor *)context)->recording, machine_now_us(), rate_millihz);
}

static int32_t poll_replay(void *context, int16_t *values, uint32_t count) {
  return replay_poll(&((machine_sensor *)context)->recording, machine_now_us(), values, count);
}

static uint32_t missed_of_replay(void *context) {
  return replay_missed(&((machine_sensor *)context)->recording);
}

static int32_t start_pipe(void *context, uint32_t rate_millihz) {
  (void)rate_millihz; /* the other program's to keep */
  pipe_start(&((machine_sensor *)context)->pipe);
  return 0;
}

static int32_t poll_pipe(void *context, int16_t *values, uint32_t count) {
  (void)count;
  return pipe_poll(&((machine_sensor *)context)->pipe, values);
}

static uint32_t missed_of_pipe(void *context) { return ((machine_sensor *)context)->pipe.missed; }

static const tinyops_port_sensor replaying = {start_replay, poll_replay, missed_of_replay};
static const tinyops_port_sensor piping = {start_pipe, poll_pipe, missed_of_pipe};

const tinyops_port_sensor *machine_open_sensor(machine_sensor *self, const char *option,
                                               const char *path, uint32_t frame_values, int stays) {
  const int replays = strcmp(option, "--replay") == 0;
  const char *wrong = replays ? replay_open(&self->recording, path)
                              : pipe_open(&self->pipe, path, frame_values, stays);
  if (wrong != NULL) {
    machine_fail(path, wrong);
  }
  return replays ? &replaying : &piping;
}

int machine_sensor_file(const machine_sensor *self) {
  return self->pipe.frame_bytes > 0 && !self->pipe.ended ? self->pipe.file : -1;
}

int machine_sensor_ms(const machine_sensor *self, int ms) {
  const int next = self->recording.runs ? replay_wait_ms(&self->recording, machine_now_us()) : -1;
  return next >= 0 && next < ms ? next : ms;
}
