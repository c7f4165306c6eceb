/* A sensor that replays recorded frames from a file: for virtual boards. */
#ifndef TINYOPS_PORT_NATIVE_REPLAY_H
#define TINYOPS_PORT_NATIVE_REPLAY_H

#include <stdint.h>

enum { REPLAY_FIFO_FRAMES = 16 };

typedef struct {
  const int16_t *values; /* of all frames, one after another */
  uint32_t frames, frame_values;
  uint32_t rate_millihz; /* frames in 1000 seconds; 0: each as soon as it is asked for */
  uint64_t started_us;
  uint32_t next; /* frame that nobody has taken */
  uint32_t missed;
} replay;

/* Loads frames of `frame_values` int16 each, in this machine's order of bytes. Returns null, or
 * what is wrong with the file. */
const char *replay_open(replay *self, const char *path, uint32_t frame_values,
                        uint32_t rate_millihz);

/* Begins at the first frame. */
void replay_start(replay *self, uint64_t now_us);

/* As tinyops_port_sensor's poll: 1, or 0 when no frame is due. A sensor keeps REPLAY_FIFO_FRAMES
 * frames; older ones that nobody took are missed. */
int32_t replay_poll(replay *self, uint64_t now_us, int16_t *values);

/* Milliseconds until a frame may be due: 0 at once, -1 never again. */
int32_t replay_wait_ms(const replay *self, uint64_t now_us);

#endif
