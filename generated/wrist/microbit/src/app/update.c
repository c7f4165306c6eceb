/* Images in slots: which model runs, and how the next one takes its place.
 *
 *   pending -> (between two inferences) start -> load -> self-test -> on trial -> confirm
 *                                                 |        |             |
 *                                                 +--------+-> revert <--+ any reset: the boot's
 *
 * A swap takes the model's state with it: the new one begins with an empty window, so no window is
 * of both. While the host is in the middle of a frame or of a tensor the swap waits. */
#include "tinyops/app.h"
#include "tinyops/boot.h"
#include "tinyops/bytes.h"
#include "tinyops/settings.h"

#if defined(TINYOPS_PART)
#include "tinyops/chain.h"
#define SHARED /* with chain/switch.c: there the chain says when a model is swapped */
#else
#define SHARED static
#endif

enum { MODEL = TINYOPS_IMAGE_MODEL, FIRMWARE = TINYOPS_IMAGE_FIRMWARE };

static uint32_t now_of(const tinyops_port *port) {
  return port->now_ms != 0 ? port->now_ms(port->context) : 0;
}

static uint32_t missed_by(const tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  return app->sensing > 0 ? port->sensor->missed(port->context) : 0;
}

/* Keys may come at any time over a cable: they are read whenever they are needed. Settings that
 * cannot be read leave the board with a key that signs nothing, as the bootloader does. */
static void read_keys(tinyops_app_updates *self) {
  const int32_t bytes =
      tinyops_settings_get(self->settings, TINYOPS_SETTINGS_IMAGE_KEYS, self->keys,
                           TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES);
  self->slots->key_count = bytes > 0 ? (uint32_t)bytes / TINYOPS_SLOTS_KEY_BYTES : 0;
  if (bytes <= 0 && bytes != TINYOPS_SETTINGS_ERR_NONE) {
    for (uint32_t i = 0; i < TINYOPS_SLOTS_KEY_BYTES; i++) {
      self->keys[i] = 0;
    }
    self->slots->key_count = 1;
  }
}

/* Makes the image in a slot the application's, or none for a slot that is none. */
SHARED void tinyops_app_use(tinyops_app *app, int32_t slot, const tinyops_image_info *info) {
  app->slot = 0;
  app->slot_bytes = 0;
  if (slot >= 0) {
    app->slot = (const void *)(uintptr_t)(app->board->updates->slots->slots[MODEL][slot].origin +
                                          info->header_bytes);
    app->slot_bytes = info->body_bytes;
  }
  tinyops_app_load(app);
}

/* Whether the model computes what its image says, on the input that it names; on zeros where it
 * names none. */
SHARED int32_t tinyops_app_passes(tinyops_app *app, const tinyops_image_info *info) {
  const tinyops_port *port = app->board->port;
  const tinyops_input input = info->has_golden != 0 ? TINYOPS_INPUT_SEEDED : TINYOPS_INPUT_ZEROS;
  uint32_t crc = 0;
  if (port->feed_watchdog != 0) {
    port->feed_watchdog(port->context);
  }
  const int32_t status = tinyops_app_try(app, input, info->golden_seed, &crc);
  return status == TINYOPS_OK && (info->has_golden == 0 || crc == info->golden_crc);
}

/* Runs what is in `slot`; when it is on trial and fails, what ran before. */
static void run(tinyops_app *app, int32_t slot, tinyops_image_info *info) {
  tinyops_slots *slots = app->board->updates->slots;
  tinyops_app_use(app, slot, info);
  if (slots->images[MODEL].state != TINYOPS_TRIAL_RUNNING) {
    return;
  }
  tinyops_trial_outcome outcome = TINYOPS_TRIAL_REFUSED;
  if (app->state == TINYOPS_OK) {
    if (tinyops_app_passes(app, info) != 0) {
      return;
    }
    outcome = TINYOPS_TRIAL_SELF_TEST;
  }
  if (slots->crypto->revert(slots, MODEL, outcome) == TINYOPS_SLOTS_OK) {
    slot = slots->crypto->boot(slots, MODEL, info);
  } else {
    slot = TINYOPS_SLOTS_ERR_FLASH; /* it must not run; the next boot reverts it */
  }
  tinyops_app_use(app, slot, info);
}

/* A firmware on trial: what it can tell of itself. That the model is made for another contract, or
 * that there is none, is no fault of it: its own model comes after it. */
static int32_t is_sound(const tinyops_app *app) {
  tinyops_port_memory memory = {0, 0, 0};
  app->board->port->measure(app->board->port->context, &memory);
  /* Not every port can tell. */
  return (memory.stack_bytes == 0 || memory.stack_used < memory.stack_bytes) &&
         (app->state == TINYOPS_OK || app->state == TINYOPS_ERR_CONTRACT ||
          app->state == TINYOPS_LINK_ERR_ABSENT);
}

static void judge_firmware(tinyops_app *app, const tinyops_image_info *info) {
  const tinyops_port *port = app->board->port;
  tinyops_slots *slots = app->board->updates->slots;
  if (is_sound(app) != 0 && (app->state != TINYOPS_OK || tinyops_app_passes(app, info) != 0)) {
    return;
  }
  (void)slots->crypto->revert(slots, FIRMWARE, TINYOPS_TRIAL_SELF_TEST);
  if (port->reset != 0) {
    port->reset(port->context);
  }
}

static int32_t boot_model(tinyops_slots *slots, tinyops_image_info *info) {
#if defined(TINYOPS_PART)
  /* What is pending waits for the chain, also over a reset: the record stays as it is. */
  const uint8_t state = slots->images[MODEL].state;
  slots->images[MODEL].state = state == TINYOPS_TRIAL_PENDING ? (uint8_t)TINYOPS_TRIAL_IDLE : state;
  const int32_t slot = slots->crypto->boot(slots, MODEL, info);
  if (state == TINYOPS_TRIAL_PENDING && slots->images[MODEL].trial != TINYOPS_SLOTS_NONE) {
    slots->images[MODEL].state = state;
  }
  return slot;
#else
  return slots->crypto->boot(slots, MODEL, info);
#endif
}

static void boot(tinyops_app *app) {
  tinyops_slots *slots = app->board->updates->slots;
  tinyops_image_info info = {0};
  run(app, boot_model(slots, &info), &info);
  if (slots->images[FIRMWARE].state == TINYOPS_TRIAL_RUNNING) {
    judge_firmware(app, &info);
  }
}

/* The model that is to run now in place of the one that does, if there is one. */
static int32_t find_next(tinyops_app_updates *self, tinyops_image_info *info) {
  tinyops_slots *slots = self->slots;
  if (self->ended != 0) {
    return boot_model(slots, info);
  }
  return slots->crypto->start(slots, MODEL, info);
}

/* Of a part, what is pending waits for the chain. */
static int32_t is_due(const tinyops_app_updates *self) {
#if defined(TINYOPS_PART)
  return self->ended;
#else
  return self->slots->images[MODEL].state == TINYOPS_TRIAL_PENDING || self->ended != 0;
#endif
}

static void swap(tinyops_app *app) {
  tinyops_app_updates *self = app->board->updates;
  if (is_due(self) == 0 || tinyops_app_is_midway(app) != 0) {
    return;
  }
  const uint32_t started = now_of(app->board->port);
  const uint32_t missed = missed_by(app);
  tinyops_image_info info;
  const int32_t slot = find_next(self, &info);
  if (slot >= 0 || self->ended != 0) {
    run(app, slot, &info);
    self->lost += missed_by(app) - missed;
    self->gap_ms = now_of(app->board->port) - started;
    if (app->sensing <= 0 || app->state != TINYOPS_OK) {
      tinyops_app_start_sensing(app); /* or ends it: there was no model before, or is none now */
    }
  } else {
    self->refused[MODEL] = (uint8_t)-slot;
  }
  self->ended = 0;
}

/* Keeps why an image was refused. */
static int32_t note(tinyops_app_updates *self, uint32_t image, int32_t status) {
  if (status < 0 && image < TINYOPS_SLOTS_IMAGES) {
    self->refused[image] = (uint8_t)-status;
  }
  return status;
}

static int32_t describe(void *context, uint32_t image, uint32_t slot, tinyops_smp_slot *found) {
  tinyops_slots *slots = ((tinyops_app_updates *)context)->slots;
  const tinyops_slots_image *known = &slots->images[image];
  if (slots->crypto->describe(slots, image, slot, &found->image) < 0) {
    return 0;
  }
  found->has_digest = 1;
  found->bootable =
      !tinyops_bytes_differ(known->verified[slot], found->image.digest, TINYOPS_SLOTS_DIGEST_BYTES);
  found->pending = known->state == TINYOPS_TRIAL_PENDING && known->trial == slot;
  found->confirmed = known->active == slot;
  found->active = slots->crypto->running(slots, image) == slot;
  return 1;
}

static int32_t begin(void *context, uint32_t image, uint32_t bytes, const uint8_t *digest) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_slots *slots = self->slots;
  read_keys(self);
#if defined(TINYOPS_PART)
  if (image == MODEL) { /* what comes is no model that ran before */
    slots->images[MODEL].outcome = TINYOPS_TRIAL_NONE;
  }
#endif
  if (slots->writing == TINYOPS_SLOTS_NONE && self->taken != 0 && self->taken == bytes &&
      digest != 0 &&
      !tinyops_bytes_differ(slots->upload_digest, digest, TINYOPS_SLOTS_DIGEST_BYTES)) {
    return (int32_t)bytes; /* the answer to its last piece was lost */
  }
  const int32_t next = note(self, image, slots->crypto->begin(slots, image, bytes, digest));
  if (next >= 0) {
    self->refused[image] = 0;
    self->taken = 0;
  }
  return next;
}

static int32_t write(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_slots *slots = self->slots;
  const uint32_t image = slots->writing;
  if (image == TINYOPS_SLOTS_NONE) { /* it was reset, or this is the last piece once more */
    return offset + count == self->taken ? (int32_t)self->taken : 0;
  }
  if (offset != slots->given) {
    return (int32_t)slots->given;
  }
  const uint32_t announced = slots->announced;
  int32_t next = slots->crypto->write(slots, offset, bytes, count);
  if (next >= 0 && (uint32_t)next == announced) {
    const int32_t status = slots->crypto->finish(slots);
    self->taken = status < 0 ? 0 : announced;
    next = status < 0 ? status : next;
  }
  return note(self, image, next);
}

static int32_t erase(void *context, uint32_t image, uint32_t slot) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_slots *slots = self->slots;
  if (image < TINYOPS_SLOTS_IMAGES && slots->crypto->running(slots, image) == slot) {
    return TINYOPS_SLOTS_ERR_STATE;
  }
  self->taken = 0;
  return slots->crypto->erase(slots, image);
}

static int32_t test(void *context, uint32_t image, const uint8_t *digest) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  return note(self, image, self->slots->crypto->test(self->slots, image, digest));
}

static int32_t confirm(void *context, uint32_t image) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_slots *slots = self->slots;
  return slots->images[image].state == TINYOPS_TRIAL_RUNNING
             ? note(self, image, slots->crypto->confirm(slots, image))
             : TINYOPS_SLOTS_OK;
}

/* Its client found it bad, by a self-test or otherwise. */
static int32_t revert(void *context, uint32_t image) {
  tinyops_app_updates *self = (tinyops_app_updates *)context;
  tinyops_slots *slots = self->slots;
  if (image == MODEL && slots->images[MODEL].state == TINYOPS_TRIAL_RUNNING) {
    self->ended = 1;
  }
  return slots->crypto->revert(slots, image, TINYOPS_TRIAL_SELF_TEST);
}

static void report(void *context, uint32_t image, tinyops_smp_update *update) {
  const tinyops_app_updates *self = (const tinyops_app_updates *)context;
  const tinyops_slots *slots = self->slots;
  const tinyops_slots_image *known = &slots->images[image];
  const int32_t is_writing = slots->writing == image;
  *update = (tinyops_smp_update){
      .state = known->state,
      .outcome = known->outcome,
      .refusal = self->refused[image],
      .written = is_writing != 0 ? slots->given : 0,
      .announced = is_writing != 0 ? slots->announced : 0,
      .counter = known->counter,
      .gap_ms = image == MODEL ? self->gap_ms : 0,
      .lost = image == MODEL ? self->lost : 0,
  };
}

/* A model on trial comes back on trial: whoever asks for a reset wants to see it. */
static void prepare_reset(void *context) {
  tinyops_slots *slots = ((tinyops_app_updates *)context)->slots;
  (void)slots->crypto->again(slots, MODEL);
}

const tinyops_smp_images tinyops_app_update_calls = {
    .describe = describe,
    .begin = begin,
    .write = write,
    .erase = erase,
    .test = test,
    .confirm = confirm,
    .revert = revert,
    .report = report,
    .prepare_reset = prepare_reset,
};

tinyops_app_updates *tinyops_app_attach_updates(tinyops_app_updates *updates, tinyops_slots *slots,
                                                const tinyops_app_places *places,
                                                const tinyops_boot_table *table,
                                                const tinyops_port *port,
                                                tinyops_settings *settings, uint8_t *keys) {
  if (port->flash == 0 || tinyops_boot_is_usable(table) == 0) {
    return 0;
  }
  *updates = (tinyops_app_updates){
      .slots = slots, .settings = settings, .keys = keys, .boot = boot, .swap = swap};
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES * TINYOPS_SLOTS_EACH; i++) {
    const uint32_t image = i / TINYOPS_SLOTS_EACH, slot = i % TINYOPS_SLOTS_EACH;
    slots->slots[image][slot] = places->slots[image][slot];
  }
  slots->state = places->state;
  slots->flash = port->flash;
  slots->context = port->context;
  slots->pause = port->feed_watchdog;
  slots->crypto = table;
  slots->keys = keys;
  read_keys(updates);
  return table->open(slots) == TINYOPS_SLOTS_OK ? updates : 0;
}
