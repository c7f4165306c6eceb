/* A collector over a scripted port, for tests. Arguments: values in a frame, frames that the sensor
 * keeps, frames in 1000 seconds (0: no sensor), bytes of the line in a second (0: it takes no
 * time).
 *
 * Standard input is a script, a line a step:
 *   send HEX      these bytes arrive now
 *   run MS        polls until the clock has moved so far
 *   fail          the sensor fails from now on
 *   skip COUNT    the sensor has made and lost so many frames more, and has numbers to match
 *   deaf          the sensor does not start
 *   no-clock      the port has no clock
 * What the collector sends goes to standard output. Value i of frame n is n * 7 + i. The clock
 * moves by writing, and by a millisecond in idle. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/collect.h"

enum { VALUES_MAX = 40000, LINE_MAX = 4096 };

typedef struct {
  uint64_t now_us;
  uint32_t line_rate;
  uint8_t arrived[LINE_MAX];
  uint32_t arrived_bytes, read_bytes;
  uint32_t keeps, rate_millihz, next, missed;
  uint64_t started_us;
  int failed, deaf;
} machine;

static machine here;

static int32_t read_byte(void *context) {
  machine *self = context;
  return self->read_bytes < self->arrived_bytes ? self->arrived[self->read_bytes++]
                                                : TINYOPS_PORT_NO_BYTE;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  machine *self = context;
  (void)fwrite(bytes, 1, count, stdout);
  if (self->line_rate > 0) {
    self->now_us += (uint64_t)count * 1000000u / self->line_rate;
  }
}

static uint32_t now_ms(void *context) {
  return (uint32_t)(((const machine *)context)->now_us / 1000u);
}

static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){.stack_used = 1, .stack_bytes = 2, .static_bytes = 3};
}

static int32_t start(void *context, uint32_t rate_millihz) {
  machine *self = context;
  if (self->deaf) {
    return -1;
  }
  self->rate_millihz = rate_millihz;
  self->started_us = self->now_us;
  self->next = 0;
  return 0; /* what it has lost before goes on counting: the collector must not care */
}

static uint32_t made(const machine *self) {
  return (uint32_t)((self->now_us - self->started_us) * self->rate_millihz / 1000000000u);
}

static int32_t poll(void *context, int16_t *values, uint32_t count) {
  machine *self = context;
  if (self->failed) {
    return -1;
  }
  while (made(self) - self->next > self->keeps && self->next < made(self)) {
    self->next++;
    self->missed++;
  }
  if (self->next >= made(self)) {
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    values[i] = (int16_t)(uint16_t)(self->next * 7u + i);
  }
  self->next++;
  return 1;
}

static uint32_t missed(void *context) { return ((const machine *)context)->missed; }

static void run(tinyops_collect *collect, uint64_t until_us) {
  while (here.now_us < until_us) {
    if (tinyops_collect_poll(collect) == 0) {
      here.now_us += 1000;
    } else {
      here.now_us += 10;
    }
  }
}

static void receive(const char *digits) {
  unsigned value = 0;
  here.arrived_bytes = here.read_bytes = 0;
  for (; sscanf(digits, "%2x", &value) == 1 && here.arrived_bytes < LINE_MAX; digits += 2) {
    here.arrived[here.arrived_bytes++] = (uint8_t)value;
  }
}

static uint32_t number(const char *text) { return (uint32_t)strtoul(text, NULL, 10); }

int main(int count, char **arguments) {
  static const tinyops_port_sensor sensor = {start, poll, missed};
  static const uint8_t contract[32] = {1, 2, 3};
  static tinyops_collect collect;
  static char line[2 * LINE_MAX];
  if (count != 5) {
    return 2;
  }
  /* Exactly as large as promised, so that a sanitizer sees one value too many. */
  const uint32_t values = number(arguments[1]);
  int16_t *frame = malloc((values > 0 ? values : 1) * sizeof(*frame));
  here.keeps = number(arguments[2]);
  here.line_rate = number(arguments[4]);
  tinyops_port port = {.context = &here,
                       .read_byte = read_byte,
                       .write = write_bytes,
                       .now_ms = now_ms,
                       .measure = measure,
                       .sensor = number(arguments[3]) > 0 ? &sensor : NULL};
  const tinyops_collect_board board = {.port = &port,
                                       .name = "desk",
                                       .contract = contract,
                                       .frame = frame,
                                       .frame_values = values,
                                       .rate_millihz = number(arguments[3])};
  tinyops_collect_init(&collect, &board);
  while (frame != NULL && fgets(line, sizeof(line), stdin) != NULL) {
    char *argument = strchr(line, ' ');
    argument = argument != NULL ? argument + 1 : line;
    if (strncmp(line, "send ", 5) == 0) {
      receive(argument);
      run(&collect, here.now_us + 1);
    } else if (strncmp(line, "run ", 4) == 0) {
      run(&collect, here.now_us + 1000ull * number(argument));
    } else if (strncmp(line, "skip ", 5) == 0 && here.rate_millihz > 0) {
      here.next += number(argument);
      here.missed += number(argument);
      here.started_us -= 1000000000ull * number(argument) / here.rate_millihz;
    } else if (strncmp(line, "fail", 4) == 0) {
      here.failed = 1;
    } else if (strncmp(line, "deaf", 4) == 0) {
      here.deaf = 1;
    } else if (strncmp(line, "no-clock", 8) == 0) {
      port.now_ms = NULL;
    }
  }
  free(frame);
  return 0;
}
