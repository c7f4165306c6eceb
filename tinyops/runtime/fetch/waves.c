/* The cycle's way through a rollout: how far it is, and what this device takes; see cycle.h. */
#include "parts.h"

enum { MODEL = TINYOPS_IMAGE_MODEL };

/* Text of the entry moves to where the next answer does not lie. */
static void keep_text(tinyops_fetch *fetch, tinyops_json_text *text, uint32_t *at) {
  uint8_t *place = fetch->kept + *at;
  for (uint32_t i = 0; i < text->count; i++) {
    place[i] = text->bytes[i];
  }
  *at += text->count;
  text->bytes = place;
}

void tinyops_fetch_begin_waves(tinyops_fetch *fetch) {
  uint32_t at = 0;
  for (uint32_t i = 0; i <= TINYOPS_HTTP_ETAG_MAX; i++) {
    fetch->etag[i] = fetch->http.etag[i];
  }
  fetch->progress_etag[0] = 0;
  fetch->progress = (tinyops_progress){.rollout = 0};
  fetch->offered = fetch->entry;
  keep_text(fetch, &fetch->offered.project, &at);
  keep_text(fetch, &fetch->offered.tag, &at);
  keep_text(fetch, &fetch->offered.asset, &at);
  keep_text(fetch, &fetch->rollout.address, &at);
  if (fetch->rollout.has_base != 0) {
    keep_text(fetch, &fetch->rollout.base.tag, &at);
    keep_text(fetch, &fetch->rollout.base.asset, &at);
  }
  tinyops_fetch_ask_progress(fetch);
}

static int32_t is_past(const tinyops_fetch *fetch, uint64_t until_s) {
  const tinyops_fetch_config *config = fetch->config;
  const uint32_t now_ms = config->stream->now_ms(config->stream->context);
  return tinyops_clock_is_past(config->clock, now_ms, until_s);
}

static int32_t is_expired(const tinyops_fetch *fetch) {
  return is_past(fetch, fetch->progress.expires_s);
}

static void take(tinyops_fetch *fetch, int32_t choice) {
  const tinyops_rollout *rollout = &fetch->rollout;
  if (choice == TINYOPS_TAKE_NOTHING) {
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_WAITS, TINYOPS_FETCH_OK);
    return;
  }
  /* The entry may have been read long ago: that it is still the same one is the server's word. */
  const int32_t over = fetch->offered.expires_s != 0 && is_past(fetch, fetch->offered.expires_s);
  fetch->entry = choice == TINYOPS_TAKE_BASE ? rollout->base : fetch->offered;
  const int32_t fault =
      over ? TINYOPS_FETCH_ERR_EXPIRED : tinyops_fetch_content_fault(fetch, &fetch->entry);
  if (fault != 0) {
    fetch->etag[0] = 0;
    tinyops_fetch_fail(fetch, fault);
    return;
  }
  tinyops_fetch_pursue(fetch);
}

static void choose(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const int32_t known = fetch->progress.rollout != 0 && is_expired(fetch) == 0;
  const int32_t runs_new =
      tinyops_fetch_holds(fetch, &fetch->offered, config->table->running(config->slots, MODEL));
  const uint32_t position = tinyops_rollout_position(config->table, config->fleet, config->unit);
  take(fetch, tinyops_rollout_choose(&fetch->rollout, known != 0 ? &fetch->progress : 0, position,
                                     runs_new));
}

void tinyops_fetch_ask_progress(tinyops_fetch *fetch) {
  fetch->wants_progress = 1;
  fetch->gathered = 0;
  if (fetch->rollout.address.count == 0) {
    choose(fetch); /* nobody told where: as if none could be believed */
    return;
  }
  if (tinyops_url_parse(&fetch->url, (const char *)fetch->rollout.address.bytes,
                        fetch->rollout.address.count) != 0) {
    tinyops_fetch_fail(fetch, TINYOPS_FETCH_ERR_PLACE);
    return;
  }
  fetch->redirects = 0;
  fetch->skip = 0;
  tinyops_fetch_go(fetch);
}

/* Returns 0 or why it cannot be believed. */
static int32_t read(tinyops_fetch *fetch, tinyops_progress *progress) {
  const tinyops_fetch_config *config = fetch->config;
  const int32_t status =
      tinyops_progress_read(progress, config->entry, fetch->gathered, config->table,
                            &fetch->rollout, fetch->offered.project, config->fleet);
  if (status != 0) {
    return status == TINYOPS_ENTRY_ERR_SIGNATURE ? TINYOPS_FETCH_ERR_SIGNATURE
                                                 : TINYOPS_FETCH_ERR_PROGRESS;
  }
  return progress->sequence < fetch->memory.sequence ? TINYOPS_FETCH_ERR_OLDER : 0;
}

void tinyops_fetch_follow(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  if (fetch->http.status == 304u && is_expired(fetch) == 0) {
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_UNCHANGED, TINYOPS_FETCH_OK);
    return;
  }
  if (fetch->http.status == 200u) {
    tinyops_progress progress;
    const int32_t fault = read(fetch, &progress);
    if (fault != 0) {
      fetch->etag[0] = 0;
      tinyops_fetch_fail(fetch, fault);
      return;
    }
    fetch->progress = progress;
    for (uint32_t i = 0; i <= TINYOPS_HTTP_ETAG_MAX; i++) {
      fetch->progress_etag[i] = fetch->http.etag[i];
    }
    if (progress.sequence > fetch->memory.sequence) {
      fetch->memory.sequence = progress.sequence;
      config->remember(config->context, &fetch->memory);
    }
  }
  choose(fetch);
}
