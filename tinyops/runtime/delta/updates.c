/* An upload over SMP that is a delta: told by its first bytes, written by delta.c. All else is as
 * it is for images. */
#include "tinyops/boot.h"
#include "tinyops/delta.h"

static tinyops_delta *delta_of(const tinyops_app_updates *updates) {
  return &updates->deltas->delta;
}

/* Whether the delta is what is being written; an erase or a reset may have ended it. */
static int32_t is_under_way(const tinyops_app_updates *updates) {
  const tinyops_delta *delta = delta_of(updates);
  return delta->bytes != 0u && updates->slots->writing == delta->image;
}

static int32_t is_same(const uint8_t *a, const uint8_t *b) {
  uint32_t i = 0;
  while (i < TINYOPS_SLOTS_DIGEST_BYTES && a[i] == b[i]) {
    i++;
  }
  return i == TINYOPS_SLOTS_DIGEST_BYTES;
}

static int32_t begin(void *context, uint32_t image, uint32_t bytes, const uint8_t *digest) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_delta *delta = delta_of(self);
  if (is_under_way(self) != 0 && image == delta->image && bytes == delta->bytes && digest != 0 &&
      self->slots->has_upload_digest != 0u && is_same(self->slots->upload_digest, digest) != 0) {
    return (int32_t)delta->given;
  }
  if (is_under_way(self) != 0) { /* another file: what is there of the image is of no use to it */
    self->slots->writing = TINYOPS_SLOTS_NONE;
  }
  delta->bytes = 0;
  return tinyops_app_update_calls.begin(context, image, bytes, digest);
}

static int32_t write(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_delta *delta = delta_of(self);
  tinyops_slots *slots = self->slots;
  if (is_under_way(self) == 0) {
    delta->bytes = 0;
    if (offset != 0u || slots->writing == TINYOPS_SLOTS_NONE || slots->given != 0u ||
        tinyops_delta_is(bytes, count) == 0) {
      return tinyops_app_update_calls.write(context, offset, bytes, count);
    }
    tinyops_delta_open(delta, slots);
  }
  if (offset != delta->given) {
    return (int32_t)delta->given;
  }
  const int32_t next = tinyops_delta_take(delta, bytes, count);
  if (next < 0) {
    self->refused[delta->image] = (uint8_t)-next;
  } else if (delta->bytes == 0u) { /* whole, and the image is recorded */
    self->taken = (uint32_t)next;
  }
  return next;
}

static void report(void *context, uint32_t image, tinyops_smp_update *update) {
  const tinyops_app_updates *self = (const tinyops_app_updates *)context;
  const tinyops_delta *delta = delta_of(self);
  tinyops_app_update_calls.report(context, image, update);
  update->deltas = TINYOPS_DELTA_FORMAT;
  if (is_under_way(self) != 0 && image == delta->image) {
    update->written = delta->given;
    update->announced = delta->bytes;
  }
}

const tinyops_smp_images *tinyops_app_take_deltas(tinyops_app_deltas *deltas,
                                                  tinyops_app_updates *updates) {
  deltas->delta.bytes = 0;
  deltas->calls = tinyops_app_update_calls;
  deltas->calls.begin = begin;
  deltas->calls.write = write;
  deltas->calls.report = report;
  updates->deltas = deltas;
  return &deltas->calls;
}
