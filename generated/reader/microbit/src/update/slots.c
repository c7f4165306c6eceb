/* Which slot runs: boot, trial, confirm, revert. The states are in slots.h and docs/update.md. */
#include "bytes.h"
#include "image.h"
#include "log.h"
#include "tinyops/boot.h"

static void give_info(const tinyops_image *image, tinyops_image_info *info) {
  if (info != 0) {
    tinyops_bytes_copy((uint8_t *)info, (const uint8_t *)&image->info, sizeof *info);
  }
}

int32_t tinyops_slots_open(tinyops_slots *s) {
  s->writing = TINYOPS_SLOTS_NONE;
  if (s->flash == 0 || s->crypto == 0 || tinyops_log_fits(s) != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_GEOMETRY;
  }
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES * TINYOPS_SLOTS_EACH; i++) {
    const tinyops_slot *slot = &s->slots[i / TINYOPS_SLOTS_EACH][i % TINYOPS_SLOTS_EACH];
    if (((slot->origin | slot->bytes) & (s->flash->erase_bytes - 1u)) != 0u) {
      return TINYOPS_SLOTS_ERR_GEOMETRY;
    }
  }
  return tinyops_log_open(s);
}

uint32_t tinyops_slots_running(const tinyops_slots *s, uint32_t number) {
  if (number >= TINYOPS_SLOTS_IMAGES) {
    return TINYOPS_SLOTS_NONE;
  }
  const tinyops_slots_image *image = &s->images[number];
  return image->state == TINYOPS_TRIAL_RUNNING ? image->trial : image->active;
}

static int32_t is_verified(const tinyops_slots *s, uint32_t number, uint32_t slot,
                           const uint8_t *digest) {
  return !tinyops_bytes_differ(s->images[number].verified[slot], digest,
                               TINYOPS_SLOTS_DIGEST_BYTES);
}

/* Whether this device may run what lies in a slot, and all of it is there. */
static int32_t check(tinyops_slots *s, uint32_t number, uint32_t slot, tinyops_image *image) {
  const int32_t status = tinyops_image_judge(s, number, slot, image);
  return status == TINYOPS_SLOTS_OK ? tinyops_image_check_digest(s, &s->slots[number][slot], image)
                                    : status;
}

static void raise_counter(tinyops_slots_image *image, uint32_t counter) {
  image->counter = counter > image->counter ? counter : image->counter;
}

/* Of image 0 all trials end, of image 1 its own: the bootloader has just started the other one. */
static void end_trials(tinyops_slots *s, uint32_t number) {
  uint32_t ended = 0;
  for (uint32_t i = number; i < TINYOPS_SLOTS_IMAGES; i++) {
    if (s->images[i].state == TINYOPS_TRIAL_RUNNING) {
      s->images[i].state = TINYOPS_TRIAL_IDLE;
      s->images[i].outcome = TINYOPS_TRIAL_RESET;
      ended++;
    }
  }
  if (ended != 0u) {
    (void)tinyops_log_append(s); /* a log that cannot be written keeps nobody from booting */
  }
}

/* Whether a slot can run without a trial. One that no record knows, or that a cable has rewritten,
 * becomes known: `is_new`. */
static int32_t try_slot(tinyops_slots *s, uint32_t number, uint32_t slot, tinyops_image *image,
                        int32_t *is_new) {
  tinyops_slots_image *state = &s->images[number];
  int32_t status = check(s, number, slot, image);
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  *is_new = !is_verified(s, number, slot, image->info.digest);
  if (*is_new == 0) {
    /* A model that failed would fail again; the application lives without one, and can be given
     * another. A firmware that failed is better than none. */
    const int32_t has_failed = number == TINYOPS_IMAGE_MODEL && state->trial == slot;
    return has_failed ? TINYOPS_SLOTS_ERR_STATE : TINYOPS_SLOTS_OK;
  }
  if (s->key_count != 0u) {
    status = tinyops_image_check_signature(s, image);
  }
  if (status == TINYOPS_SLOTS_OK) {
    tinyops_bytes_copy(state->verified[slot], image->info.digest, TINYOPS_SLOTS_DIGEST_BYTES);
    raise_counter(state, image->info.counter);
    state->trial = state->trial == slot ? TINYOPS_SLOTS_NONE : state->trial;
  }
  return status;
}

int32_t tinyops_slots_boot(tinyops_slots *s, uint32_t number, tinyops_image_info *info) {
  tinyops_image image;
  if (number >= TINYOPS_SLOTS_IMAGES) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  tinyops_slots_image *state = &s->images[number];
  end_trials(s, number);
  if (state->state == TINYOPS_TRIAL_PENDING) {
    const int32_t slot = tinyops_slots_start(s, number, info);
    if (slot >= 0) {
      return slot;
    }
  }
  const uint8_t active = state->active;
  /* Under a firmware on trial another model would take the active one's place, and the active one
   * could be overwritten before that firmware reverts. */
  const int32_t only_active = number == TINYOPS_IMAGE_MODEL && active != TINYOPS_SLOTS_NONE &&
                              s->images[TINYOPS_IMAGE_FIRMWARE].state == TINYOPS_TRIAL_RUNNING;
  for (uint32_t i = 0; i < (only_active ? 1u : TINYOPS_SLOTS_EACH); i++) {
    const uint32_t slot = active == TINYOPS_SLOTS_NONE ? i : active ^ i;
    int32_t is_new = 0;
    if (try_slot(s, number, slot, &image, &is_new) == TINYOPS_SLOTS_OK) {
      state->active = (uint8_t)slot;
      if (is_new != 0 || slot != active) {
        (void)tinyops_log_append(s);
      }
      give_info(&image, info);
      return (int32_t)slot;
    }
  }
  return TINYOPS_SLOTS_ERR_ABSENT;
}

int32_t tinyops_slots_test(tinyops_slots *s, uint32_t number, const uint8_t *digest) {
  tinyops_image image;
  if (number >= TINYOPS_SLOTS_IMAGES) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  tinyops_slots_image *state = &s->images[number];
  const uint32_t running = tinyops_slots_running(s, number);
  uint32_t slot = running == 1u; /* the one that runs first: both may hold the same */
  slot = is_verified(s, number, slot, digest) ? slot : slot ^ 1u;
  if (!is_verified(s, number, slot, digest) ||
      !tinyops_bytes_any(digest, TINYOPS_SLOTS_DIGEST_BYTES)) {
    return TINYOPS_SLOTS_ERR_ABSENT;
  }
  if (slot == running || (state->state == TINYOPS_TRIAL_PENDING && slot == state->trial)) {
    return TINYOPS_SLOTS_OK;
  }
  if (state->state == TINYOPS_TRIAL_RUNNING) {
    return TINYOPS_SLOTS_ERR_STATE;
  }
  const int32_t status = tinyops_image_judge(s, number, slot, &image);
  if (status != TINYOPS_SLOTS_OK) {
    return status;
  }
  state->trial = (uint8_t)slot;
  state->state = TINYOPS_TRIAL_PENDING;
  return tinyops_log_append(s);
}

int32_t tinyops_slots_start(tinyops_slots *s, uint32_t number, tinyops_image_info *info) {
  tinyops_image image;
  if (number >= TINYOPS_SLOTS_IMAGES || s->images[number].state != TINYOPS_TRIAL_PENDING) {
    return TINYOPS_SLOTS_ERR_STATE;
  }
  tinyops_slots_image *state = &s->images[number];
  const uint32_t slot = state->trial;
  int32_t status = check(s, number, slot, &image);
  const int32_t is_refused =
      status == TINYOPS_SLOTS_ERR_CONTRACT || status == TINYOPS_SLOTS_ERR_COUNTER;
  if (status == TINYOPS_SLOTS_OK && is_verified(s, number, slot, image.info.digest)) {
    state->state = TINYOPS_TRIAL_RUNNING;
    status = (int32_t)slot;
  } else {
    state->state = TINYOPS_TRIAL_IDLE;
    state->outcome = is_refused ? TINYOPS_TRIAL_REFUSED : TINYOPS_TRIAL_DAMAGED;
    if (!is_refused) {
      tinyops_bytes_fill(state->verified[slot], 0, TINYOPS_SLOTS_DIGEST_BYTES);
      status = TINYOPS_SLOTS_ERR_DIGEST;
    }
  }
  if (tinyops_log_append(s) != TINYOPS_SLOTS_OK) {
    return TINYOPS_SLOTS_ERR_FLASH;
  }
  if (status >= 0) {
    give_info(&image, info);
  }
  return status;
}

int32_t tinyops_slots_confirm(tinyops_slots *s, uint32_t number) {
  tinyops_image image;
  if (number >= TINYOPS_SLOTS_IMAGES) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  tinyops_slots_image *state = &s->images[number];
  if (state->state == TINYOPS_TRIAL_IDLE) {
    return state->active == TINYOPS_SLOTS_NONE ? TINYOPS_SLOTS_ERR_STATE : TINYOPS_SLOTS_OK;
  }
  /* A model that only a firmware on trial can run, or that raises the counter above its
   * predecessor's, would leave the firmware before it without one. */
  if (state->state == TINYOPS_TRIAL_PENDING ||
      (number == TINYOPS_IMAGE_MODEL &&
       s->images[TINYOPS_IMAGE_FIRMWARE].state == TINYOPS_TRIAL_RUNNING)) {
    return TINYOPS_SLOTS_ERR_STATE;
  }
  const uint32_t slot = state->trial;
  const int32_t status = tinyops_image_read(s, number, slot, &image);
  if (status != TINYOPS_SLOTS_OK || !is_verified(s, number, slot, image.info.digest)) {
    return status != TINYOPS_SLOTS_OK ? status : TINYOPS_SLOTS_ERR_DIGEST;
  }
  state->active = (uint8_t)slot;
  state->trial = TINYOPS_SLOTS_NONE;
  state->state = TINYOPS_TRIAL_IDLE;
  state->outcome = TINYOPS_TRIAL_CONFIRMED;
  raise_counter(state, image.info.counter);
  return tinyops_log_append(s);
}

int32_t tinyops_slots_revert(tinyops_slots *s, uint32_t number, tinyops_trial_outcome outcome) {
  if (number >= TINYOPS_SLOTS_IMAGES) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  if (s->images[number].state == TINYOPS_TRIAL_IDLE) {
    return TINYOPS_SLOTS_OK;
  }
  s->images[number].state = TINYOPS_TRIAL_IDLE;
  s->images[number].outcome = (uint8_t)outcome;
  return tinyops_log_append(s);
}

int32_t tinyops_slots_again(tinyops_slots *s, uint32_t number) {
  if (number >= TINYOPS_SLOTS_IMAGES) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  if (s->images[number].state != TINYOPS_TRIAL_RUNNING) {
    return TINYOPS_SLOTS_OK;
  }
  s->images[number].state = TINYOPS_TRIAL_PENDING;
  return tinyops_log_append(s);
}

int32_t tinyops_slots_describe(tinyops_slots *s, uint32_t number, uint32_t slot,
                               tinyops_image_info *info) {
  tinyops_image image;
  const int32_t status = tinyops_image_read(s, number, slot, &image);
  if (status == TINYOPS_SLOTS_OK) {
    give_info(&image, info);
  }
  return status;
}
