#include "replay.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
  HEADER_BYTES = 24,
  SAMPLES_MAX = 1 << 28,
  SAMPLE_VALUES_MAX = 1 << 20,
  VALUES_MAX = 1 << 28,
  LOOPS = 1,
  PERIOD_S = 1000 /* in which a rate is a whole number of samples */
};
#define MAGIC 0x31505254u
#define PERIOD_US (1000000u * (uint64_t)PERIOD_S)

static uint32_t word_at(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static uint32_t crc32_of(const uint8_t *bytes, size_t count) {
  uint32_t table[16], crc = UINT32_MAX;
  for (uint32_t i = 0; i < 16; i++) {
    table[i] = i;
    for (int bit = 0; bit < 4; bit++) {
      table[i] = table[i] >> 1 ^ ((table[i] & 1u) != 0 ? 0xedb88320u : 0u);
    }
  }
  for (size_t i = 0; i < count; i++) {
    crc = crc >> 4 ^ table[(crc ^ bytes[i]) & 15u];
    crc = crc >> 4 ^ table[(crc ^ bytes[i] >> 4) & 15u];
  }
  return ~crc;
}

/* Takes the values out of the bytes that they lie in. */
static void order_bytes(int16_t *values, size_t count) {
  const uint8_t *bytes = (const uint8_t *)values;
  for (size_t i = 0; i < count; i++) {
    const int32_t value = bytes[2 * i] | bytes[2 * i + 1] << 8;
    values[i] = (int16_t)(value < 0x8000 ? value : value - 0x10000);
  }
}

static const char *read_header(replay *self, const uint8_t *header) {
  *self = (replay){.sample_values = word_at(header + 4),
                   .samples = word_at(header + 8),
                   .recorded_millihz = word_at(header + 12),
                   .loops = (word_at(header + 16) & LOOPS) != 0,
                   .frame_samples = 1};
  const int possible = self->sample_values > 0 && self->sample_values <= SAMPLE_VALUES_MAX &&
                       self->samples > 0 && self->samples <= SAMPLES_MAX &&
                       self->samples <= VALUES_MAX / self->sample_values;
  return word_at(header) == MAGIC && possible ? NULL : "not a recording to replay";
}

static const char *read_values(replay *self, const uint8_t *header, FILE *file) {
  const size_t count = (size_t)self->samples * self->sample_values;
  self->values = malloc(count * sizeof(*self->values));
  if (self->values == NULL) {
    return "more than there is memory for";
  }
  if (fread(self->values, sizeof(*self->values), count, file) != count || fgetc(file) != EOF) {
    return "not as long as its header says";
  }
  if (crc32_of((const uint8_t *)self->values, 2 * count) != word_at(header + 20)) {
    return "damaged: its CRC differs";
  }
  order_bytes(self->values, count);
  return NULL;
}

const char *replay_open(replay *self, const char *path) {
  uint8_t header[HEADER_BYTES] = {0};
  FILE *file = fopen(path, "rb");
  if (file == NULL) {
    return strerror(errno);
  }
  const size_t got = fread(header, 1, sizeof(header), file);
  const char *wrong = read_header(self, header);
  if (wrong == NULL) {
    wrong = got == sizeof(header) ? read_values(self, header, file) : "ends within its header";
  }
  (void)fclose(file);
  if (wrong != NULL) {
    replay_close(self);
  }
  return wrong;
}

void replay_close(replay *self) {
  free(self->values);
  self->values = NULL;
}

int32_t replay_start(replay *self, uint64_t now_us, uint32_t rate_millihz) {
  const int asked = self->recorded_millihz == REPLAY_AS_ASKED;
  if (asked && rate_millihz == 0) {
    return REPLAY_NO_RATE;
  }
  self->rate_millihz = asked ? rate_millihz : self->recorded_millihz;
  self->started_us = now_us;
  self->next = 0;
  self->lost = 0;
  self->frame_samples = 1;
  self->runs = 1;
  return 0;
}

/* Samples that have come by now, the first with the start; whole periods apart, so that nothing
 * overflows and none is counted twice. */
static uint64_t come(const replay *self, uint64_t now_us) {
  const uint64_t elapsed_us = now_us - self->started_us;
  const uint64_t periods = elapsed_us / PERIOD_US, rest_us = elapsed_us % PERIOD_US;
  uint64_t count = UINT64_MAX;
  if (self->rate_millihz > 0) {
    count = periods * self->rate_millihz + rest_us * self->rate_millihz / PERIOD_US + 1u;
  }
  return self->loops || count < self->samples ? count : self->samples;
}

static void drop_old(replay *self, uint64_t waiting) {
  const uint64_t by_time = (uint64_t)self->rate_millihz * REPLAY_KEPT_MS / 1000000u,
                 least = (uint64_t)REPLAY_KEPT_FRAMES * self->frame_samples,
                 kept = by_time > least ? by_time : least;
  if (self->rate_millihz > 0 && waiting > kept) {
    const uint64_t frames = (waiting - kept + self->frame_samples - 1u) / self->frame_samples;
    self->next += frames * self->frame_samples;
    self->lost += frames * self->frame_samples;
  }
}

int32_t replay_poll(replay *self, uint64_t now_us, int16_t *values, uint32_t count) {
  if (!self->runs || count == 0 || count % self->sample_values != 0) {
    return REPLAY_NO_FRAME;
  }
  self->frame_samples = count / self->sample_values;
  drop_old(self, come(self, now_us) - self->next);
  if (come(self, now_us) - self->next < self->frame_samples) {
    return 0;
  }
  for (uint32_t i = 0; i < self->frame_samples; i++) {
    const size_t at = (size_t)(self->next % self->samples) * self->sample_values;
    memcpy(values + (size_t)i * self->sample_values, self->values + at,
           self->sample_values * sizeof(*values));
    self->next++;
  }
  return 1;
}

uint32_t replay_missed(const replay *self) { return (uint32_t)(self->lost / self->frame_samples); }

const int16_t *replay_sample(const replay *self, uint64_t now_us) {
  const uint64_t count = self->runs ? come(self, now_us) : 0;
  return count == 0 ? NULL : self->values + (count - 1u) % self->samples * self->sample_values;
}

int32_t replay_wait_ms(const replay *self, uint64_t now_us) {
  const uint64_t wanted = self->next + self->frame_samples;
  if (!self->runs || (!self->loops && wanted > self->samples)) {
    return -1;
  }
  if (come(self, now_us) >= wanted) {
    return 0;
  }
  const uint64_t periods = (wanted - 1u) / self->rate_millihz,
                 rest = (wanted - 1u) % self->rate_millihz;
  const uint64_t due_us = self->started_us + periods * PERIOD_US +
                          (rest * PERIOD_US + self->rate_millihz - 1u) / self->rate_millihz;
  return (int32_t)((due_us - now_us + 999u) / 1000u);
}
