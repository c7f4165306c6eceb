/* What an entry leads to: its judgement, the model's way into the slot, the trial; see cycle.h. */
#include "parts.h"

enum { DIGEST_BYTES = TINYOPS_ENTRY_DIGEST_BYTES, PAUSE_BYTES = 4096, MODEL = TINYOPS_IMAGE_MODEL };

static int32_t are_same(const uint8_t *a, const uint8_t *b) {
  uint32_t different = 0;
  for (uint32_t i = 0; i < DIGEST_BYTES; i++) {
    different |= (uint32_t)(a[i] ^ b[i]);
  }
  return different == 0;
}

static int32_t entry_reason(int32_t status) {
  switch (status) {
    case TINYOPS_ENTRY_ERR_SIGNATURE:
      return TINYOPS_FETCH_ERR_SIGNATURE;
    case TINYOPS_ENTRY_ERR_SCHEMA:
      return TINYOPS_FETCH_ERR_SCHEMA;
    default:
      return TINYOPS_FETCH_ERR_ENTRY;
  }
}

/* What a device never takes, whoever signed it. Returns 0 or why not. */
static int32_t find_fault(const tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const tinyops_entry *entry = &fetch->entry;
  const uint32_t now_ms = config->stream->now_ms(config->stream->context);
  if (config->project != 0 && tinyops_json_is(entry->project, config->project) == 0) {
    return TINYOPS_FETCH_ERR_PROJECT;
  }
  if (tinyops_json_is(entry->fleet, config->fleet) == 0) {
    return TINYOPS_FETCH_ERR_FLEET;
  }
  if (tinyops_json_is(entry->board, config->board) == 0) {
    return TINYOPS_FETCH_ERR_BOARD;
  }
  if (entry->version < fetch->memory.version) {
    return TINYOPS_FETCH_ERR_VERSION;
  }
  if (entry->expires_s != 0 && tinyops_clock_is_past(config->clock, now_ms, entry->expires_s)) {
    return TINYOPS_FETCH_ERR_EXPIRED;
  }
  if (fetch->rollout.id != 0 && config->unit == 0) {
    return TINYOPS_FETCH_ERR_UNIT;
  }
  return fetch->rollout.id != 0 ? 0 : tinyops_fetch_content_fault(fetch, entry);
}

int32_t tinyops_fetch_content_fault(const tinyops_fetch *fetch, const tinyops_entry *content) {
  const tinyops_fetch_config *config = fetch->config;
  if (content->counter < config->slots->images[MODEL].counter) {
    return TINYOPS_FETCH_ERR_COUNTER;
  }
  if (are_same(content->contract, config->contract) == 0) {
    return TINYOPS_FETCH_ERR_CONTRACT;
  }
  return content->model_is_image != 0 ? 0 : TINYOPS_FETCH_ERR_KIND;
}

/* -- Slots ----------------------------------------------------------------------------------- */

typedef struct {
  tinyops_slots *slots;
  uint32_t origin;
  int32_t status;
} slot_reader;

static void read_slot(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  slot_reader *reader = (slot_reader *)context;
  tinyops_slots *slots = reader->slots;
  if (at % PAUSE_BYTES == 0 && slots->pause != 0) {
    slots->pause(slots->context);
  }
  if (slots->flash->read(slots->context, reader->origin + at, bytes, count) != 0) {
    reader->status = TINYOPS_SLOTS_ERR_FLASH;
  }
}

int32_t tinyops_fetch_holds(const tinyops_fetch *fetch, const tinyops_entry *entry, uint32_t slot) {
  const tinyops_fetch_config *config = fetch->config;
  if (slot >= TINYOPS_SLOTS_EACH) {
    return 0;
  }
  const tinyops_slot *place = &config->slots->slots[MODEL][slot];
  if (entry->model_bytes > place->bytes) {
    return 0;
  }
  slot_reader reader = {config->slots, place->origin, 0};
  uint8_t digest[DIGEST_BYTES];
  config->table->sha256_of(read_slot, &reader, entry->model_bytes, digest);
  return reader.status == 0 && are_same(digest, entry->model_digest);
}

static void remember(tinyops_fetch *fetch) {
  fetch->config->remember(fetch->config->context, &fetch->memory);
}

static int32_t was_refused(const tinyops_fetch *fetch) {
  return fetch->memory.tries >= TINYOPS_FETCH_TRIES_MAX &&
         are_same(fetch->memory.tried, fetch->entry.model_digest);
}

/* Counts a trial, or all of them at once for what is refused for good. */
static void note_tries(tinyops_fetch *fetch, uint32_t tries) {
  tinyops_fetch_memory *memory = &fetch->memory;
  if (are_same(memory->tried, fetch->entry.model_digest) == 0) {
    for (uint32_t i = 0; i < DIGEST_BYTES; i++) {
      memory->tried[i] = fetch->entry.model_digest[i];
    }
    memory->tries = 0;
  }
  memory->tries += tries;
  remember(fetch);
}

/* Nothing is left to do for this entry: from now on it may be answered with 304. One with a rollout
 * was kept when it was read. */
static void keep_etag(tinyops_fetch *fetch) {
  for (uint32_t i = 0; i <= TINYOPS_HTTP_ETAG_MAX && fetch->rollout.id == 0; i++) {
    fetch->etag[i] = fetch->http.etag[i];
  }
}

/* The entry's answer is long gone when its model is refused: the next poll reads it once more. */
static void refuse(tinyops_fetch *fetch, int32_t reason) {
  note_tries(fetch, TINYOPS_FETCH_TRIES_MAX);
  tinyops_fetch_settle(fetch, TINYOPS_FETCHED_REFUSED, reason);
}

static int32_t slots_reason(int32_t status) { return TINYOPS_FETCH_SLOTS + status; }

/* What another try cannot change. */
static int32_t is_final(int32_t status) {
  switch (status) {
    case TINYOPS_SLOTS_ERR_FLASH:
    case TINYOPS_SLOTS_ERR_OFFSET:
    case TINYOPS_SLOTS_ERR_STATE:
    case TINYOPS_SLOTS_ERR_DIGEST:
      return 0;
    default:
      return 1;
  }
}

void tinyops_fetch_end(tinyops_fetch *fetch, int32_t status) {
  if (is_final(status)) {
    refuse(fetch, slots_reason(status));
  } else {
    tinyops_fetch_fail(fetch, slots_reason(status));
  }
}

/* -- The way of a model ---------------------------------------------------------------------- */

void tinyops_fetch_judge(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const tinyops_slots *slots = config->slots;
  if (slots->key_count == 0) {
    tinyops_fetch_fail(fetch, slots_reason(TINYOPS_SLOTS_ERR_KEYS));
    return;
  }
  const int32_t status =
      tinyops_entry_read(&fetch->entry, &fetch->rollout, config->entry, fetch->gathered,
                         config->table, slots->keys, slots->key_count);
  const int32_t fault = status != 0 ? entry_reason(status) : find_fault(fetch);
  if (fault != 0) {
    fetch->rollout.id = 0;
    tinyops_fetch_fail(fetch, fault);
    return;
  }
  if (fetch->entry.version > fetch->memory.version) {
    fetch->memory.version = fetch->entry.version;
    remember(fetch);
  }
  if (fetch->rollout.id == 0) {
    tinyops_fetch_pursue(fetch);
    return;
  }
  tinyops_fetch_begin_waves(fetch);
}

void tinyops_fetch_pursue(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const tinyops_slots *slots = config->slots;
  fetch->report.total = fetch->entry.model_bytes;
  if (tinyops_fetch_holds(fetch, &fetch->entry, config->table->running(slots, MODEL))) {
    keep_etag(fetch);
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_UP_TO_DATE, TINYOPS_FETCH_OK);
  } else if (was_refused(fetch)) {
    keep_etag(fetch);
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_REFUSED, TINYOPS_FETCH_ERR_BEFORE);
  } else {
    fetch->etag[0] = 0;
    fetch->attempts = 0;
    tinyops_fetch_image(fetch);
  }
}

void tinyops_fetch_image(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const int32_t from = config->table->begin(config->slots, MODEL, fetch->entry.model_bytes,
                                            fetch->entry.model_digest);
  if (from < 0) {
    tinyops_fetch_end(fetch, from);
    return;
  }
  fetch->target = config->slots->target;
  fetch->report.bytes = (uint32_t)from;
  if (fetch->wants_image == 0) {
    fetch->wants_image = 1;
    tinyops_fetch_tell(fetch, TINYOPS_FETCHED_OFFER, TINYOPS_FETCH_OK);
  }
  if (fetch->report.bytes == fetch->entry.model_bytes) {
    tinyops_fetch_finish(fetch);
  } else {
    tinyops_fetch_ask(fetch, fetch->entry.tag, fetch->entry.asset, fetch->report.bytes);
  }
}

int32_t tinyops_fetch_store(tinyops_fetch *fetch, const uint8_t *bytes, uint32_t count) {
  const tinyops_fetch_config *config = fetch->config;
  if (count == 0) {
    return 0;
  }
  if (count > fetch->entry.model_bytes - fetch->report.bytes) {
    return TINYOPS_FETCH_ERR_LENGTH;
  }
  const int32_t next = config->table->write(config->slots, fetch->report.bytes, bytes, count);
  if (next < 0) {
    return slots_reason(next);
  }
  fetch->report.bytes = (uint32_t)next;
  fetch->attempts = 0;
  return 0;
}

void tinyops_fetch_finish(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  if (fetch->report.bytes != fetch->entry.model_bytes) {
    tinyops_fetch_fail(fetch, TINYOPS_FETCH_ERR_LENGTH);
    return;
  }
  int32_t status = config->table->finish(config->slots);
  if (status < 0) {
    tinyops_fetch_end(fetch, status);
    return;
  }
  /* Signed as well may be another release's: only the file that the entry names will do. */
  if (tinyops_fetch_holds(fetch, &fetch->entry, fetch->target) == 0) {
    (void)config->table->erase(config->slots, MODEL);
    note_tries(fetch, 1);
    tinyops_fetch_fail(fetch, TINYOPS_FETCH_ERR_DIGEST);
    return;
  }
  note_tries(fetch, 1); /* before it starts: who crashes cannot count */
  status = config->table->test(config->slots, MODEL,
                               config->slots->images[MODEL].verified[fetch->target]);
  if (status < 0) {
    tinyops_fetch_end(fetch, status);
    return;
  }
  config->stream->close(config->stream->context);
  fetch->port = 0;
  fetch->phase = TINYOPS_FETCH_TRIES;
  tinyops_fetch_tell(fetch, TINYOPS_FETCHED_TRIAL, TINYOPS_FETCH_OK);
}

static void end_trial(tinyops_fetch *fetch) {
  const tinyops_slots_image *model = &fetch->config->slots->images[MODEL];
  fetch->report.status = model->outcome;
  if (model->outcome == TINYOPS_TRIAL_CONFIRMED) {
    fetch->memory.tries = 0;
    remember(fetch);
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_CONFIRMED, TINYOPS_FETCH_OK);
  } else if (fetch->wants_image == 0) { /* one that began before the last reset */
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_REFUSED, TINYOPS_FETCH_ERR_TRIAL);
  } else {
    refuse(fetch, TINYOPS_FETCH_ERR_TRIAL);
  }
}

void tinyops_fetch_watch(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const tinyops_slots_image *model = &config->slots->images[MODEL];
  if (model->state == TINYOPS_TRIAL_IDLE) {
    end_trial(fetch);
    return;
  }
  if (model->state != TINYOPS_TRIAL_RUNNING) {
    return; /* pending: the application starts it */
  }
  const int32_t verdict = config->trial(config->context);
  int32_t status = 0;
  if (verdict > 0) {
    status = config->table->confirm(config->slots, MODEL);
  } else if (verdict < 0) {
    status = config->table->revert(config->slots, MODEL, TINYOPS_TRIAL_SELF_TEST);
  }
  if (status < 0) {
    tinyops_fetch_tell(fetch, TINYOPS_FETCHED_FAILED, slots_reason(status));
  }
}
