/* A sensor of Linux as what another program writes: int16 values of one frame after another,
 * little- endian, as `arecord -t raw -f S16_LE` gives them. */
#ifndef TINYOPS_PORT_LINUX_PIPE_H
#define TINYOPS_PORT_LINUX_PIPE_H

#include <stddef.h>
#include <stdint.h>

enum { PIPE_KEPT_BYTES = 1 << 20 };

typedef struct {
  int file;
  int ended;
  uint32_t frame_bytes;
  uint8_t *ring;        /* whole frames */
  size_t room;          /* bytes of it */
  uint64_t came, taken; /* bytes, since it was opened */
  int is_fifo;          /* until its first writer has come, its end is none */
  uint32_t missed;
} sensor_pipe;

/* Opens a FIFO, a pipe or a device. Returns null, or what is wrong. `stays`: a FIFO whose writer
 * goes has not ended, as another one may come; each writes whole frames. */
const char *pipe_open(sensor_pipe *self, const char *path, uint32_t frame_values, int stays);

/* Takes what has come, as much as it keeps at most; where it finds no room, the oldest frames are
 * lost. */
void pipe_receive(sensor_pipe *self);

/* As tinyops_port_sensor's; start drops what came before. A pipe that has ended is a sensor that
 * has failed. */
void pipe_start(sensor_pipe *self);
int32_t pipe_poll(sensor_pipe *self, int16_t *values);

#endif
