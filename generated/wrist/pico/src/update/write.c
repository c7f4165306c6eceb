/* Writing an image to the slot that does not run, piece by piece. */
#include "bytes.h"
#include "image.h"
#include "log.h"

#define BLANK 0xffu

static const tinyops_slot *target_of(const tinyops_slots *s) {
  return &s->slots[s->writing][s->target];
}

/* The slot of an image that may be written now, or why none may. */
static int32_t find_target(const tinyops_slots *s, uint32_t number) {
  if (number >= TINYOPS_SLOTS_IMAGES || s->slots[number][0].bytes == 0u ||
      s->slots[number][1].bytes == 0u) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  if (s->key_count == 0u) {
    return TINYOPS_SLOTS_ERR_KEYS;
  }
  const tinyops_slots_image *state = &s->images[number];
  if (state->state == TINYOPS_TRIAL_RUNNING) {
    return TINYOPS_SLOTS_ERR_STATE; /* the other one is what it reverts to */
  }
  if (state->active != TINYOPS_SLOTS_NONE) {
    return state->active ^ 1;
  }
  /* A firmware runs in some slot, and no record says in which. */
  return number == TINYOPS_IMAGE_FIRMWARE ? TINYOPS_SLOTS_ERR_STATE : 0;
}

/* What a slot holds counts for nothing any more: recorded before the slot is touched. */
static int32_t forget(tinyops_slots *s, uint32_t number, uint32_t slot) {
  tinyops_slots_image *state = &s->images[number];
  uint32_t found = state->trial == slot;
  if (found != 0u) {
    state->trial = TINYOPS_SLOTS_NONE;
    state->state = TINYOPS_TRIAL_IDLE;
  }
  for (uint32_t i = 0; i < TINYOPS_SLOTS_DIGEST_BYTES; i++) {
    found |= state->verified[slot][i];
    state->verified[slot][i] = 0;
  }
  return found != 0u ? tinyops_log_append(s) : TINYOPS_SLOTS_OK;
}

/* Whether an upload is the one that is in progress. */
static int32_t goes_on(const tinyops_slots *s, uint32_t number, uint32_t slot, uint32_t bytes,
                       const uint8_t *digest) {
  return s->writing == number && s->target == slot && s->announced == bytes && digest != 0 &&
         s->has_upload_digest != 0u &&
         !tinyops_bytes_differ(s->upload_digest, digest, sizeof s->upload_digest);
}

int32_t tinyops_slots_begin(tinyops_slots *s, uint32_t number, uint32_t bytes,
                            const uint8_t *digest) {
  const int32_t slot = find_target(s, number);
  if (slot < 0) {
    return slot;
  }
  if (bytes < TINYOPS_IMAGE_HEADER_MIN || bytes > s->slots[number][slot].bytes) {
    return TINYOPS_SLOTS_ERR_BYTES;
  }
  if (goes_on(s, number, (uint32_t)slot, bytes, digest)) {
    return (int32_t)s->given;
  }
  s->writing = TINYOPS_SLOTS_NONE;
  const int32_t status = forget(s, number, (uint32_t)slot);
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  s->writing = (uint8_t)number;
  s->target = (uint8_t)slot;
  s->announced = bytes;
  s->given = s->filled = s->erased = 0;
  s->has_upload_digest = digest != 0;
  if (digest != 0) {
    tinyops_bytes_copy(s->upload_digest, digest, sizeof s->upload_digest);
  }
  return 0;
}

/* Erases sectors up to `end` of the target that were not yet. */
static int32_t erase_to(tinyops_slots *s, uint32_t end) {
  while (s->erased < end) {
    if (s->pause != 0) {
      s->pause(s->context);
    }
    const uint32_t sector = s->flash->erase_bytes;
    if (s->flash->erase(s->context, target_of(s)->origin + s->erased, sector) != 0) {
      return TINYOPS_SLOTS_ERR_FLASH;
    }
    s->erased += sector;
  }
  return TINYOPS_SLOTS_OK;
}

/* Programs what the buffer holds, padded to whole units. */
static int32_t flush(tinyops_slots *s) {
  const uint32_t count = tinyops_bytes_padded(s->filled, s->flash->program_bytes);
  const uint32_t at = s->given - s->filled;
  tinyops_bytes_fill(s->unit + s->filled, BLANK, count - s->filled);
  s->filled = 0;
  if (erase_to(s, at + count) != TINYOPS_SLOTS_OK ||
      s->flash->program(s->context, target_of(s)->origin + at, s->unit, count) != 0) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  return TINYOPS_SLOTS_OK;
}

/* The header is in the buffer as soon as it is whole: nothing has been programmed yet. */
static int32_t judge_header(const tinyops_slots *s) {
  tinyops_image image;
  const int32_t status = tinyops_image_take_header(&image, s->unit, s->announced);
  return status == TINYOPS_SLOTS_OK ? tinyops_image_fits_slot(&image, s->writing, target_of(s))
                                    : status;
}

/* Puts as much of a piece into the buffer as fits; returns how much, or a status. */
static int32_t take(tinyops_slots *s, const uint8_t *bytes, uint32_t count) {
  const uint32_t room = s->unit_bytes - s->filled;
  const uint32_t taken = count < room ? count : room;
  const int32_t had_header = s->given >= TINYOPS_IMAGE_HEADER_MIN;
  tinyops_bytes_copy(s->unit + s->filled, bytes, taken);
  s->filled += taken;
  s->given += taken;
  int32_t status = TINYOPS_SLOTS_OK;
  if (!had_header && s->given >= TINYOPS_IMAGE_HEADER_MIN) {
    status = judge_header(s);
  }
  if (status == TINYOPS_SLOTS_OK && (s->filled == s->unit_bytes || s->given == s->announced)) {
    status = flush(s);
  }
  return status == TINYOPS_SLOTS_OK ? (int32_t)taken : status;
}

int32_t tinyops_slots_write(tinyops_slots *s, uint32_t offset, const uint8_t *bytes,
                            uint32_t count) {
  if (s->writing == TINYOPS_SLOTS_NONE) {
    return TINYOPS_SLOTS_ERR_STATE;
  }
  if (offset != s->given) {
    return TINYOPS_SLOTS_ERR_OFFSET;
  }
  int32_t status = count <= s->announced - s->given ? TINYOPS_SLOTS_OK : TINYOPS_SLOTS_ERR_BYTES;
  while (status >= 0 && count != 0u) {
    status = take(s, bytes, count);
    if (status > 0) {
      bytes += status;
      count -= (uint32_t)status;
    }
  }
  if (status < 0) {
    s->writing = TINYOPS_SLOTS_NONE;
    return status;
  }
  return (int32_t)s->given;
}

/* What lies in the target, judged and proved. */
static int32_t verify(tinyops_slots *s, uint32_t number, uint32_t slot, tinyops_image *image) {
  int32_t status = tinyops_image_judge(s, number, slot, image);
  if (status == TINYOPS_SLOTS_OK && image->info.total_bytes != s->announced) {
    status = TINYOPS_SLOTS_ERR_BYTES; /* the rest would be what the slot held before */
  }
  if (status == TINYOPS_SLOTS_OK) {
    status = tinyops_image_check_digest(s, &s->slots[number][slot], image);
  }
  if (status == TINYOPS_SLOTS_OK) {
    status = tinyops_image_check_signature(s, image);
  }
  return status;
}

int32_t tinyops_slots_finish(tinyops_slots *s) {
  tinyops_image image;
  const uint32_t number = s->writing;
  const uint32_t slot = s->target;
  if (number == TINYOPS_SLOTS_NONE) {
    return TINYOPS_SLOTS_ERR_STATE;
  }
  const int32_t is_whole = s->given == s->announced;
  s->writing = TINYOPS_SLOTS_NONE;
  const int32_t status = is_whole ? verify(s, number, slot, &image) : TINYOPS_SLOTS_ERR_BYTES;
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  tinyops_bytes_copy(s->images[number].verified[slot], image.info.digest,
                     TINYOPS_SLOTS_DIGEST_BYTES);
  return tinyops_log_append(s);
}

int32_t tinyops_slots_erase(tinyops_slots *s, uint32_t number) {
  const int32_t slot = find_target(s, number);
  if (slot < 0) {
    return slot;
  }
  if (s->writing == number) {
    s->writing = TINYOPS_SLOTS_NONE;
  }
  const int32_t status = forget(s, number, (uint32_t)slot);
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  return s->flash->erase(s->context, s->slots[number][slot].origin, s->flash->erase_bytes) == 0
             ? TINYOPS_SLOTS_OK
             : TINYOPS_SLOTS_ERR_FLASH;
}
