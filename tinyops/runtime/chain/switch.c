/* The slots of a part: how an image of another set is proven where it lies, and waits there until
 * the chain runs it.
 *
 *   written --test--> pending, to be proven --start: on trial, its golden vector, again--> pending
 *                                                |                                           |
 *                                     a failure: idle          the chain's commit: start, confirm
 *
 * A reset in a trial, which lasts for the golden vector or for the moment between start and
 * confirm, ends it as ever. The image is doubted then: this part does not offer it until somebody
 * asks for it again, but runs it, once proven, when the chain has committed it. */
#include "tinyops/boot.h"
#include "tinyops/bytes.h"
#include "tinyops/chain.h"

enum { MODEL = TINYOPS_IMAGE_MODEL };

static const uint8_t *verified(const tinyops_slots *slots, uint32_t slot) {
  return slots->images[MODEL].verified[slot];
}

static int32_t is_anything(const uint8_t *bytes, uint32_t count) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < count; i++) {
    found |= bytes[i];
  }
  return found != 0;
}

/* The slot that holds, or may hold, another model than the one that runs. */
static uint32_t spare_slot(const tinyops_slots_image *known) {
  if (known->state == TINYOPS_TRIAL_PENDING) {
    return known->trial;
  }
  return known->active != TINYOPS_SLOTS_NONE ? known->active ^ 1u : TINYOPS_SLOTS_NONE;
}

/* Whether this board would start the image: what ran before may be for another contract, or below
 * the counter by now. Offered, it would keep a chain waiting for what this part never runs. */
static int32_t may_run(const tinyops_slots *slots, const tinyops_image_info *info) {
  return info->counter >= slots->images[MODEL].counter &&
         (slots->contract == 0 ||
          !tinyops_bytes_differ(info->contract, slots->contract, TINYOPS_SLOTS_DIGEST_BYTES));
}

/* The set of the image in a slot; it lies where the core can read it. */
static void read_set(tinyops_slots *slots, uint32_t slot, uint8_t *set) {
  tinyops_image_info info;
  if (slots->crypto->describe(slots, MODEL, slot, &info) != TINYOPS_SLOTS_OK ||
      info.body_bytes < sizeof(tinyops_model_header) + sizeof(tinyops_model_part) ||
      !may_run(slots, &info)) {
    return;
  }
  const uint32_t at = slots->slots[MODEL][slot].origin + info.header_bytes;
  const tinyops_model_header *header = (const tinyops_model_header *)(uintptr_t)at;
  const tinyops_model_part *part = (const tinyops_model_part *)(const void *)(header + 1);
  if (header->header_bytes < sizeof *header + sizeof *part ||
      part->magic != TINYOPS_MODEL_PART_MAGIC) {
    return;
  }
  for (uint32_t i = 0; i < TINYOPS_CHAIN_SET_BYTES; i++) {
    set[i] = part->set[i];
  }
}

/* A model that ran until another one was confirmed, and lies there still. */
static int32_t ran_before(const tinyops_slots_image *known) {
  return known->trial == TINYOPS_SLOTS_NONE && known->outcome == TINYOPS_TRIAL_CONFIRMED;
}

static int32_t was_reset(const tinyops_slots_image *known, uint32_t slot) {
  return known->trial == slot && known->outcome == TINYOPS_TRIAL_RESET;
}

/* Whether what is pending has proven itself since start-up. */
static int32_t is_proven(const tinyops_chain_spare *self, const tinyops_slots *slots) {
  return self->is_proven != 0 &&
         !tinyops_bytes_differ(self->proven, verified(slots, slots->images[MODEL].trial),
                               TINYOPS_SLOTS_DIGEST_BYTES);
}

static void keep_proven(tinyops_chain_spare *self, const tinyops_slots *slots) {
  const uint8_t *digest = verified(slots, slots->images[MODEL].trial);
  self->is_proven = 1;
  for (uint32_t i = 0; i < TINYOPS_SLOTS_DIGEST_BYTES; i++) {
    self->proven[i] = digest[i];
  }
}

/* What the record says of the spare: read once for each record. */
static void look(tinyops_chain_spare *self, tinyops_slots *slots) {
  const tinyops_slots_image *known = &slots->images[MODEL];
  const uint32_t slot = spare_slot(known);
  if (self->is_found != 0 && self->sequence == slots->sequence) {
    return;
  }
  self->is_found = 1;
  self->sequence = slots->sequence;
  self->wished = known->state == TINYOPS_TRIAL_PENDING;
  self->doubted = self->wished == 0 && was_reset(known, slot);
  for (uint32_t i = 0; i < TINYOPS_CHAIN_SET_BYTES; i++) {
    self->spare[i] = 0;
  }
  if (slot != TINYOPS_SLOTS_NONE && known->state != TINYOPS_TRIAL_RUNNING &&
      (self->wished != 0 || self->doubted != 0 || ran_before(known)) &&
      is_anything(verified(slots, slot), TINYOPS_SLOTS_DIGEST_BYTES)) {
    read_set(slots, slot, self->spare);
  }
}

static void refuse(tinyops_app *app, int32_t status) {
  app->board->updates->refused[MODEL] = (uint8_t)-status;
}

/* Back to the model that runs. */
static void use_active(tinyops_app *app) {
  tinyops_slots *slots = app->board->updates->slots;
  const uint8_t active = slots->images[MODEL].active;
  tinyops_image_info info;
  if (active != TINYOPS_SLOTS_NONE &&
      slots->crypto->describe(slots, MODEL, active, &info) == TINYOPS_SLOTS_OK) {
    tinyops_app_use(app, active, &info);
  } else {
    tinyops_app_use(app, -1, 0);
  }
}

/* Runs what is pending on its golden vector, where it lies, and goes back to the model that runs.
 */
static void prove(tinyops_chain_spare *self, tinyops_app *app) {
  tinyops_slots *slots = app->board->updates->slots;
  tinyops_image_info info;
  const int32_t slot = slots->crypto->start(slots, MODEL, &info);
  if (slot < 0) {
    refuse(app, slot);
    return;
  }
  tinyops_trial_outcome outcome = TINYOPS_TRIAL_REFUSED;
  tinyops_app_use(app, slot, &info);
  if (app->state == TINYOPS_OK) {
    outcome =
        tinyops_app_passes(app, &info) != 0 ? TINYOPS_TRIAL_CONFIRMED : TINYOPS_TRIAL_SELF_TEST;
  }
  if (outcome == TINYOPS_TRIAL_CONFIRMED) {
    if (slots->crypto->again(slots, MODEL) == TINYOPS_SLOTS_OK) {
      keep_proven(self, slots);
    }
  } else {
    (void)slots->crypto->revert(slots, MODEL, outcome);
  }
  use_active(app);
}

/* A sensor is begun, or ended, where there was no model, or is none any more. */
static void end_gap(tinyops_app *app, uint32_t missed, uint32_t started) {
  tinyops_app_updates *self = app->board->updates;
  const tinyops_port *port = app->board->port;
  if (app->sensing > 0) {
    self->lost += port->sensor->missed(port->context) - missed;
  }
  self->gap_ms = port->now_ms != 0 ? port->now_ms(port->context) - started : 0;
  if (app->sensing <= 0 || app->state != TINYOPS_OK) {
    tinyops_app_start_sensing(app);
  }
}

typedef void (*gap_work)(tinyops_chain_spare *self, tinyops_app *app);

static void in_gap(tinyops_chain_spare *self, tinyops_app *app, gap_work work) {
  const tinyops_port *port = app->board->port;
  const uint32_t started = port->now_ms != 0 ? port->now_ms(port->context) : 0;
  const uint32_t missed = app->sensing > 0 ? port->sensor->missed(port->context) : 0;
  work(self, app);
  end_gap(app, missed, started);
}

/* A confirm that did not come through, as long as a firmware was on trial. */
static void confirm_late(tinyops_slots *slots) {
  if (slots->images[MODEL].state == TINYOPS_TRIAL_RUNNING) {
    (void)slots->crypto->confirm(slots, MODEL);
  }
}

static int32_t find_spare(void *context, tinyops_app *app, tinyops_chain_view *view) {
  tinyops_chain_spare *self = (tinyops_chain_spare *)context;
  if (app->board->updates == 0) { /* nothing can be replaced: what runs stays */
    return 0;
  }
  tinyops_slots *slots = app->board->updates->slots;
  const uint32_t loads = app->loads;
  confirm_late(slots);
  if (slots->images[MODEL].state == TINYOPS_TRIAL_PENDING && is_proven(self, slots) == 0) {
    in_gap(self, app, prove);
  }
  look(self, slots);
  view->wished = self->wished;
  view->doubted = self->doubted;
  /* Pending and not proven: the flash refused, and it is tried again. */
  const int32_t is_there = self->wished == 0 || is_proven(self, slots) != 0;
  for (uint32_t i = 0; i < TINYOPS_CHAIN_SET_BYTES; i++) {
    view->spare[i] = is_there ? self->spare[i] : 0;
  }
  return loads != app->loads;
}

static void switch_now(tinyops_chain_spare *self, tinyops_app *app) {
  tinyops_slots *slots = app->board->updates->slots;
  tinyops_image_info info;
  const int32_t slot = slots->crypto->start(slots, MODEL, &info);
  self->is_proven = 0;
  if (slot < 0) {
    refuse(app, slot);
    return;
  }
  tinyops_app_use(app, slot, &info);
  if (app->state == TINYOPS_OK) {
    (void)slots->crypto->confirm(slots, MODEL);
  } else {
    (void)slots->crypto->revert(slots, MODEL, TINYOPS_TRIAL_REFUSED);
    use_active(app);
  }
}

static void apply(void *context, tinyops_app *app) {
  tinyops_chain_spare *self = (tinyops_chain_spare *)context;
  tinyops_slots *slots = app->board->updates->slots;
  if (slots->images[MODEL].state == TINYOPS_TRIAL_PENDING) {
    in_gap(self, app, switch_now);
    return;
  }
  self->is_proven = 0;
  const uint32_t slot = spare_slot(&slots->images[MODEL]);
  const int32_t status = slots->crypto->test(slots, MODEL, verified(slots, slot));
  if (status != TINYOPS_SLOTS_OK) {
    refuse(app, status);
  }
}

const tinyops_chain_switching tinyops_chain_slots = {
    .decide = tinyops_chain_decide, .find_spare = find_spare, .apply = apply};
