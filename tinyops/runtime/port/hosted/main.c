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

#include "collector.h"
#include "lines.h"
#include "machine.h"
#include "tinyops/collect.h"

enum { IDLE_MS = 500 };

typedef struct {
  machine_sensor sensor; /* the first member: the sensor's functions find it by that */
  lines line;
  uint64_t opened_us;
} machine;

static int32_t read_byte(void *context) { return lines_read_byte(&((machine *)context)->line); }

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  lines_write(&((machine *)context)->line, bytes, count);
}

static uint32_t now_ms(void *context) {
  return (uint32_t)((machine_now_us() - ((const machine *)context)->opened_us) / 1000u);
}

/* Frames do not wait in the kernel, which would lose them in silence. */
static void meanwhile(void *context) {
  machine *self = context;
  if (self->sensor.pipe.frame_bytes > 0) {
    pipe_receive(&self->sensor.pipe);
  }
}

static void idle(void *context) {
  machine *self = context;
  struct pollfd wait[2] = {{.fd = lines_wait(&self->line), .events = POLLIN},
                           {.fd = machine_sensor_file(&self->sensor), .events = POLLIN}};
  (void)poll(wait, 2, machine_sensor_ms(&self->sensor, IDLE_MS));
}

static uint16_t port_number(const char *text) {
  char *end = NULL;
  const unsigned long number = strtoul(text, &end, 10);
  if (*text == 0 || *end != 0 || number > UINT16_MAX) {
    machine_fail(text, "no port number");
  }
  return (uint16_t)number;
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
                       .measure = machine_measure,
                       .idle = idle};
  (void)signal(SIGPIPE, SIG_IGN);
  for (int i = 1; i < count; i += 2) {
    const char *value = i + 1 < count ? words[i + 1] : "";
    if (strcmp(words[i], "--replay") == 0 || strcmp(words[i], "--pipe") == 0) {
      port.sensor = machine_open_sensor(&self.sensor, words[i], value, FRAME_VALUES, 0);
    } else if (strcmp(words[i], "--tcp") == 0 || strcmp(words[i], "--udp") == 0) {
      kind = words[i][2] == 't' ? LINES_TCP : LINES_UDP;
      number = port_number(value);
    } else if (strcmp(words[i], "--address") == 0) {
      address = value;
    } else {
      machine_fail(words[i], "unknown option");
    }
  }
  self.opened_us = machine_now_us();
  const char *wrong = lines_open(&self.line, kind, address, number);
  if (wrong != NULL) {
    machine_fail(address, wrong);
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
