/* A sensor that replays recorded samples from a file, by a clock that its caller reads: for virtual
 * boards. tinyops/twin/recorded.py writes the file; numbers are little-endian:
 *
 *   u32 magic "TRP1", u32 values of a sample, u32 samples, u32 rate, u32 flags (1: begins again at
 *   its end), u32 CRC-32 of what follows; then the samples, int16 counts of the contract's full
 * scale
 *
 * The rate is samples in 1000 seconds; REPLAY_AS_ASKED: that which the firmware starts the sensor
 * with; 0: each frame as soon as it is asked for. */
#ifndef TINYOPS_PORT_SIM_REPLAY_H
#define TINYOPS_PORT_SIM_REPLAY_H

#include <stdint.h>

#define REPLAY_AS_ASKED UINT32_MAX

enum {
  REPLAY_NO_RATE = -1,  /* the recording has none, and none was asked for */
  REPLAY_NO_FRAME = -2, /* `count` values are not whole samples of the recording */
  REPLAY_KEPT_FRAMES = 16,
  REPLAY_KEPT_MS = 250
};

typedef struct {
  int16_t *values; /* of all samples, one after another */
  uint32_t samples, sample_values, recorded_millihz;
  int loops;
  int runs;
  uint32_t rate_millihz; /* since start */
  uint64_t started_us;
  uint64_t next; /* the sample that nobody has taken; runs on where the recording loops */
  uint64_t lost; /* samples, since start */
  uint32_t frame_samples;
} replay;

/* Loads a recording; `replay_close` gives its memory back. Returns null, or what is wrong with the
 * file. */
const char *replay_open(replay *self, const char *path);
void replay_close(replay *self);

/* As tinyops_port_sensor's start: begins at the first sample. Returns 0 or REPLAY_NO_RATE. */
int32_t replay_start(replay *self, uint64_t now_us, uint32_t rate_millihz);

/* As tinyops_port_sensor's poll: 1, 0 when no frame is due, or negative. A frame is one sample or
 * more, due with its last one. The sensor keeps REPLAY_KEPT_FRAMES frames, or as many as come in
 * REPLAY_KEPT_MS; older ones that nobody took are missed. */
int32_t replay_poll(replay *self, uint64_t now_us, int16_t *values, uint32_t count);

/* Frames that were missed since start. */
uint32_t replay_missed(const replay *self);

/* What the sensor measures now, whoever takes it: the last sample that is due, or null before the
 * first. For models of chips, which keep samples by themselves. */
const int16_t *replay_sample(const replay *self, uint64_t now_us);

/* Milliseconds until a frame may be due: 0 at once, -1 never again. */
int32_t replay_wait_ms(const replay *self, uint64_t now_us);

#endif
