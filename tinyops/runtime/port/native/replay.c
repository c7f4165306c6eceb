#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FRAMES_MAX = 1 << 24, VALUES_MAX = 1 << 28 };

static uint64_t due_us(const replay *self, uint32_t frame) {
  return self->rate_millihz == 0
             ? self->started_us
             : self->started_us + (uint64_t)frame * 1000000000u / self->rate_millihz;
}

static int16_t *read_values(const char *path, size_t *count) {
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    return NULL;
  }
  int16_t *values = NULL;
  if (fseek(file, 0, SEEK_END) == 0) {
    const long bytes = ftell(file);
    const int fits = bytes > 0 && bytes / 2 <= VALUES_MAX && bytes % 2 == 0;
    rewind(file);
    values = fits ? malloc((size_t)bytes) : NULL;
    *count = fits ? (size_t)bytes / 2 : 0;
  }
  if (values != NULL && fread(values, 2, *count, file) != *count) {
    free(values);
    values = NULL;
  }
  (void)fclose(file);
  return values;
}

const char *replay_open(replay *self, const char *path, uint32_t frame_values,
                        uint32_t rate_millihz) {
  size_t count = 0;
  errno = 0;
  if (frame_values == 0) {
    return "this model takes no frames";
  }
  const int16_t *values = read_values(path, &count);
  if (values == NULL) {
    return errno != 0 ? strerror(errno) : "not a file of int16 values";
  }
  if (count % frame_values != 0 || count / frame_values > FRAMES_MAX) {
    return "not whole frames, or too many of them";
  }
  *self = (replay){.values = values,
                   .frames = (uint32_t)(count / frame_values),
                   .frame_values = frame_values,
                   .rate_millihz = rate_millihz};
  return NULL;
}

void replay_start(replay *self, uint64_t now_us) {
  self->started_us = now_us;
  self->next = 0;
  self->missed = 0;
}

static void drop_old(replay *self, uint64_t now_us) {
  if (self->rate_millihz == 0) {
    return;
  }
  while (self->next + REPLAY_FIFO_FRAMES < self->frames &&
         due_us(self, self->next + REPLAY_FIFO_FRAMES) <= now_us) {
    self->next++;
    self->missed++;
  }
}

int32_t replay_poll(replay *self, uint64_t now_us, int16_t *values) {
  drop_old(self, now_us);
  if (self->next == self->frames || due_us(self, self->next) > now_us) {
    return 0;
  }
  memcpy(values, self->values + (size_t)self->next * self->frame_values,
         self->frame_values * sizeof(*values));
  self->next++;
  return 1;
}

int32_t replay_wait_ms(const replay *self, uint64_t now_us) {
  if (self->next == self->frames) {
    return -1;
  }
  const uint64_t due = due_us(self, self->next);
  return due <= now_us ? 0 : (int32_t)((due - now_us) / 1000u + 1u);
}
