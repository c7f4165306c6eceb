/* What programs of Linux, a part and a collector, have in common. */
#ifndef TINYOPS_PORT_LINUX_MACHINE_H
#define TINYOPS_PORT_LINUX_MACHINE_H

#include <stdint.h>

#include "pipe.h"
#include "replay.h"
#include "tinyops/port.h"

/* A sensor: a recording, or what another program writes into a pipe. */
typedef struct {
  replay recording;
  sensor_pipe pipe; /* frame_bytes 0: it is none */
} machine_sensor;

/* Says on standard error what is wrong with what, and ends the program with 2: it cannot start. */
void machine_fail(const char *what, const char *why);

uint64_t machine_now_us(void);

/* Reads and writes return at once from then on, whatever comes or goes. */
void machine_never_block(int file);
/* A connection that others made with `listening`, for small frames; -1: none. */
int machine_accept(int listening);

/* As tinyops_port's. A process of Linux has more than it can tell. */
void machine_measure(void *context, tinyops_port_memory *memory);

/* Opens it by the option that names it, `--replay` or `--pipe`; ends the program where it cannot be
 * opened. `stays`: as pipe_open. Its start, poll and missed are returned, with the machine_sensor
 * as the first member of the port's context. */
const tinyops_port_sensor *machine_open_sensor(machine_sensor *self, const char *option,
                                               const char *path, uint32_t frame_values, int stays);
/* What to wait for, -1: nothing; and how long at most, `ms` or less. */
int machine_sensor_file(const machine_sensor *self);
int machine_sensor_ms(const machine_sensor *self, int ms);

#endif
