#include "pipe.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Who may write to a FIFO himself never sees its end. */
static int open_it(const char *path, int stays) {
  struct stat what;
  const int both = stays && stat(path, &what) == 0 && S_ISFIFO(what.st_mode);
  return open(path, (both ? O_RDWR : O_RDONLY) | O_NONBLOCK | O_CLOEXEC);
}

const char *pipe_open(sensor_pipe *self, const char *path, uint32_t frame_values, int stays) {
  *self = (sensor_pipe){.frame_bytes = 2 * frame_values};
  const size_t kept = PIPE_KEPT_BYTES / self->frame_bytes;
  self->room = (kept < 2 ? 2 : kept) * self->frame_bytes;
  self->ring = malloc(self->room);
  self->file = open_it(path, stays);
  if (self->ring == NULL || self->file < 0) {
    return self->ring == NULL ? "not enough memory" : strerror(errno);
  }
  struct stat what;
  if (fstat(self->file, &what) != 0 || S_ISREG(what.st_mode)) {
    return "a file, no pipe: replay it";
  }
  self->is_fifo = S_ISFIFO(what.st_mode);
  return NULL;
}

/* The oldest frame makes room for one more. */
static void drop(sensor_pipe *self) {
  self->taken += self->frame_bytes;
  self->missed++;
}

void pipe_receive(sensor_pipe *self) {
  for (size_t left = self->room; left > 0 && !self->ended;) {
    if (self->came - self->taken > self->room - self->frame_bytes) {
      drop(self);
    }
    const size_t at = self->came % self->room;
    const size_t space = self->room - (size_t)(self->came - self->taken);
    size_t straight = self->room - at < space ? self->room - at : space;
    straight = straight < left ? straight : left;
    const ssize_t got = read(self->file, self->ring + at, straight);
    if (got <= 0) {
      const int waits =
          got < 0 ? errno == EAGAIN || errno == EINTR : self->is_fifo && self->came == 0;
      self->ended = !waits;
      return;
    }
    self->came += (uint64_t)got;
    left -= (size_t)got;
  }
}

void pipe_start(sensor_pipe *self) {
  pipe_receive(self);
  self->taken = self->came - self->came % self->frame_bytes; /* a frame that is half there stays */
  self->missed = 0;
}

int32_t pipe_poll(sensor_pipe *self, int16_t *values) {
  pipe_receive(self);
  if (self->came - self->taken < self->frame_bytes) {
    return self->ended ? -1 : 0;
  }
  const uint8_t *bytes =
      self->ring + self->taken % self->room; /* a frame never wraps: whole ones */
  for (uint32_t i = 0; i < self->frame_bytes / 2; i++) {
    const int32_t value = bytes[2 * i] | bytes[2 * i + 1] << 8;
    values[i] = (int16_t)(value < 0x8000 ? value : value - 0x10000);
  }
  self->taken += self->frame_bytes;
  return 1;
}
