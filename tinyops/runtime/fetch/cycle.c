/* The cycle's connections: one request after another, within bounds; see cycle.h. */
#include "tinyops/fetch/cycle.h"

#include "http_text.h"
#include "parts.h"

enum { RESUME_MS = 1000, SPREAD_PARTS = 4, DOUBLINGS_MAX = 16 };

static uint32_t now_ms(const tinyops_fetch *fetch) {
  const tinyops_stream *stream = fetch->config->stream;
  return stream->now_ms(stream->context);
}

static void hang_up(tinyops_fetch *fetch) {
  const tinyops_stream *stream = fetch->config->stream;
  stream->close(stream->context);
  fetch->port = 0;
}

/* -- Ends of polls --------------------------------------------------------------------------- */

void tinyops_fetch_tell(tinyops_fetch *fetch, tinyops_fetched event, int32_t reason) {
  fetch->report.event = event;
  fetch->report.reason = reason;
  fetch->report.version = fetch->memory.version;
  fetch->report.host = fetch->connected;
  if (fetch->config->report != 0) {
    fetch->config->report(fetch->config->context, &fetch->report);
  }
}

/* A little later than asked for, by the device's own number: a fleet shall not come all at once. */
static void wait(tinyops_fetch *fetch, uint32_t delay_ms) {
  const uint32_t part = delay_ms / SPREAD_PARTS;
  fetch->phase = TINYOPS_FETCH_WAITS;
  fetch->due_ms = now_ms(fetch) + delay_ms + (part != 0 ? fetch->config->spread % part : 0);
}

void tinyops_fetch_settle(tinyops_fetch *fetch, tinyops_fetched event, int32_t reason) {
  hang_up(fetch);
  fetch->failures = 0;
  wait(fetch, fetch->config->interval_ms);
  tinyops_fetch_tell(fetch, event, reason);
}

void tinyops_fetch_fail(tinyops_fetch *fetch, int32_t reason) {
  const tinyops_fetch_config *config = fetch->config;
  uint32_t delay_ms = config->retry_ms;
  for (uint32_t i = 0; i < fetch->failures && delay_ms < config->interval_ms; i++) {
    delay_ms *= 2u;
  }
  hang_up(fetch);
  fetch->failures =
      (uint8_t)(fetch->failures < DOUBLINGS_MAX ? fetch->failures + 1 : DOUBLINGS_MAX);
  wait(fetch, delay_ms < config->interval_ms ? delay_ms : config->interval_ms);
  tinyops_fetch_tell(fetch, TINYOPS_FETCHED_FAILED, reason);
}

/* What may be different on another connection, or over another link: an image goes on there. */
static int32_t may_pass(int32_t reason, uint32_t status) {
  switch (reason) {
    case TINYOPS_STREAM_ENDED:
    case TINYOPS_STREAM_LOST:
    case TINYOPS_STREAM_NAME:
    case TINYOPS_FETCH_ERR_TIME:
    case TINYOPS_FETCH_ERR_CUT:
      return 1;
    case TINYOPS_FETCH_ERR_STATUS: /* an expired link is forbidden, or gone */
      return status == 403u || status == 410u || status == 408u || status == 429u || status >= 500u;
    default:
      return 0;
  }
}

/* This connection brings nothing more. */
static void give_up(tinyops_fetch *fetch, int32_t reason) {
  if (reason < TINYOPS_FETCH_SLOTS && reason > TINYOPS_FETCH_ERR_ENDPOINT) {
    tinyops_fetch_end(fetch, reason - TINYOPS_FETCH_SLOTS);
    return;
  }
  const int32_t again = fetch->wants_image != 0 && fetch->attempts < TINYOPS_FETCH_ATTEMPTS_MAX &&
                        may_pass(reason, fetch->report.status);
  if (again == 0) {
    tinyops_fetch_fail(fetch, reason);
    return;
  }
  hang_up(fetch);
  fetch->phase = TINYOPS_FETCH_PAUSES;
  fetch->due_ms = now_ms(fetch) + (RESUME_MS << fetch->attempts);
  fetch->attempts++;
  tinyops_fetch_tell(fetch, TINYOPS_FETCHED_RESUMES, reason);
}

/* -- Requests -------------------------------------------------------------------------------- */

static void begin_phase(tinyops_fetch *fetch, uint32_t phase) {
  fetch->phase = (uint8_t)phase;
  fetch->since_ms = now_ms(fetch);
  fetch->offset = 0;
}

static int32_t is_connected(const tinyops_fetch *fetch) {
  uint32_t i = 0;
  while (fetch->connected[i] != 0 && fetch->connected[i] == fetch->url.host[i]) {
    i++;
  }
  return fetch->port == fetch->url.port && fetch->connected[i] == fetch->url.host[i];
}

/* Sends the request to fetch->url, over the connection that is there if it leads to that host. */
void tinyops_fetch_go(tinyops_fetch *fetch) {
  const tinyops_stream *stream = fetch->config->stream;
  fetch->judged = fetch->draining = 0;
  if (fetch->port != 0 && is_connected(fetch)) {
    begin_phase(fetch, TINYOPS_FETCH_SENDS);
    return;
  }
  begin_phase(fetch, TINYOPS_FETCH_OPENS);
  for (uint32_t i = 0; i <= TINYOPS_URL_HOST_MAX; i++) {
    fetch->connected[i] = fetch->url.host[i];
  }
  fetch->port = fetch->url.port;
  const int32_t status = stream->open(stream->context, fetch->url.host, fetch->url.port);
  if (status < 0) {
    give_up(fetch, status);
  }
}

static int32_t add(tinyops_url *url, const char *text) {
  return tinyops_url_append(url, text, tinyops_text_length(text));
}

static int32_t add_text(tinyops_url *url, tinyops_json_text text) {
  return tinyops_url_append(url, (const char *)text.bytes, text.count);
}

/* A repository's page of releases has its files elsewhere than a folder. */
static int32_t is_as_on_github(const char *endpoint, uint32_t length) {
  static const char end[] = "/releases";
  uint32_t i = 0;
  while (i < sizeof(end) - 1u && i < length &&
         endpoint[length - 1u - i] == end[sizeof(end) - 2u - i]) {
    i++;
  }
  return i == sizeof(end) - 1u;
}

void tinyops_fetch_ask(tinyops_fetch *fetch, tinyops_json_text tag, tinyops_json_text name,
                       uint32_t from) {
  const char *endpoint = fetch->config->endpoint;
  uint32_t length = tinyops_text_length(endpoint);
  tinyops_url *url = &fetch->url;
  while (length != 0 && endpoint[length - 1u] == '/') {
    length--;
  }
  const int32_t github = is_as_on_github(endpoint, length);
  int32_t status = tinyops_url_parse(url, endpoint, length);
  if (status == 0 && url->path_bytes == 1u) {
    url->path_bytes = 0; /* "https://host": the slash is added below */
  }
  if (tag.bytes == 0) {
    status |= add(url, github ? "/latest/download/" : "/latest/");
  } else {
    status |= add(url, github ? "/download/" : "/");
    status |= add_text(url, tag);
    status |= add(url, "/");
  }
  status |= add_text(url, name);
  if (status != 0) {
    tinyops_fetch_fail(fetch, TINYOPS_FETCH_ERR_ENDPOINT);
    return;
  }
  fetch->redirects = 0;
  fetch->skip = from;
  tinyops_fetch_go(fetch);
}

/* The first request of a poll. */
static void ask_for_entry(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  char name[sizeof("entry--.json") + 2u * TINYOPS_ENTRY_NAME_MAX];
  const char *parts[] = {"entry-", config->fleet, "-", config->board, ".json"};
  uint32_t count = 0;
  for (uint32_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
    for (uint32_t j = 0; parts[i][j] != 0 && count < sizeof(name); j++) {
      name[count++] = parts[i][j];
    }
  }
  fetch->wants_image = fetch->wants_progress = 0;
  fetch->gathered = 0;
  fetch->report = (tinyops_fetch_report){.version = fetch->memory.version};
  tinyops_fetch_ask(fetch, (tinyops_json_text){0, 0},
                    (tinyops_json_text){(const uint8_t *)name, count}, 0);
}

/* Of what is asked for, when it is known already. */
static const char *known_etag(const tinyops_fetch *fetch) {
  return fetch->wants_progress != 0 ? fetch->progress_etag : fetch->etag;
}

static void send_request(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const tinyops_http_request request = {
      .url = &fetch->url,
      .etag = fetch->wants_image == 0 ? known_etag(fetch) : 0,
      .from = fetch->wants_image != 0 ? fetch->skip : 0,
  };
  const uint32_t count =
      tinyops_http_request_read(&request, fetch->offset, config->piece, config->piece_bytes);
  if (count == 0) {
    begin_phase(fetch, TINYOPS_FETCH_READS);
    tinyops_http_begin(&fetch->http, &fetch->url);
    return;
  }
  const int32_t sent = config->stream->send(config->stream->context, config->piece, count);
  if (sent < 0) {
    give_up(fetch, sent);
  } else {
    fetch->offset += (uint32_t)sent;
  }
}

/* -- Answers --------------------------------------------------------------------------------- */

static int32_t judge_length(tinyops_fetch *fetch) {
  const tinyops_http *http = &fetch->http;
  const uint32_t total = fetch->entry.model_bytes;
  if (http->status == 206u) {
    const int32_t right = http->has_range != 0 && fetch->skip != 0 &&
                          http->range_from == fetch->skip &&
                          (http->range_total == 0 || http->range_total == total) &&
                          (http->has_length == 0 || http->length == total - fetch->skip);
    fetch->skip = 0; /* the body begins where the slot ends */
    return right ? 0 : TINYOPS_FETCH_ERR_LENGTH;
  }
  return http->has_length == 0 || http->length == total ? 0 : TINYOPS_FETCH_ERR_LENGTH;
}

/* What the head says decides whether its body is wanted. Returns 0 or why the poll is over. */
static int32_t judge_head(tinyops_fetch *fetch) {
  const tinyops_stream *stream = fetch->config->stream;
  const tinyops_http *http = &fetch->http;
  fetch->judged = 1;
  fetch->report.status = http->status;
  fetch->since_ms = now_ms(fetch);
  fetch->window_bytes = 0;
  if (http->date_s != 0 && stream->told_time != 0) {
    const int32_t status = stream->told_time(stream->context, http->date_s);
    if (status != 0) {
      return status;
    }
  }
  if (http->is_redirect != 0) {
    fetch->draining = 1;
    fetch->gathered = 0;
    return ++fetch->redirects <= TINYOPS_FETCH_REDIRECTS_MAX ? 0 : TINYOPS_FETCH_ERR_REDIRECTS;
  }
  if (fetch->wants_image != 0) {
    return http->status == 200u || http->status == 206u ? judge_length(fetch)
                                                        : TINYOPS_FETCH_ERR_STATUS;
  }
  if (http->status == 304u && known_etag(fetch)[0] != 0) {
    return 0;
  }
  fetch->gathered = 0;
  const int32_t none = fetch->wants_progress != 0 && http->status == 404u; /* not begun */
  return http->status == 200u || none != 0 ? 0 : TINYOPS_FETCH_ERR_STATUS;
}

/* Whether an answer's body is wanted by nobody: a redirect's, or a page that says that no rollout
 * has begun. */
static int32_t is_idle(const tinyops_fetch *fetch) {
  return fetch->draining != 0 || (fetch->wants_image == 0 && fetch->http.status == 404u);
}

/* Returns 0 or why the poll is over. */
static int32_t take_body(tinyops_fetch *fetch, const uint8_t *bytes, uint32_t count) {
  if (is_idle(fetch) != 0) {
    fetch->gathered += count;
    return 0;
  }
  if (fetch->wants_image != 0) {
    const uint32_t known = count < fetch->skip ? count : fetch->skip;
    fetch->skip -= known;
    return tinyops_fetch_store(fetch, bytes + known, count - known);
  }
  if (count > TINYOPS_ENTRY_MAX - fetch->gathered) {
    return TINYOPS_FETCH_ERR_ENTRY;
  }
  for (uint32_t i = 0; i < count; i++) {
    fetch->config->entry[fetch->gathered++] = bytes[i];
  }
  return 0;
}

static void end_answer(tinyops_fetch *fetch) {
  if (fetch->http.closes != 0 || fetch->http.is_done == 0) {
    hang_up(fetch);
  }
  if (fetch->draining != 0) {
    tinyops_fetch_go(fetch);
  } else if (fetch->wants_image != 0) {
    tinyops_fetch_finish(fetch);
  } else if (fetch->wants_progress != 0) {
    tinyops_fetch_follow(fetch);
  } else if (fetch->http.status == 304u && fetch->rollout.id != 0) {
    tinyops_fetch_ask_progress(fetch);
  } else if (fetch->http.status == 304u) {
    tinyops_fetch_settle(fetch, TINYOPS_FETCHED_UNCHANGED, TINYOPS_FETCH_OK);
  } else {
    tinyops_fetch_judge(fetch);
  }
}

static int32_t http_reason(int32_t status) {
  switch (status) {
    case TINYOPS_HTTP_ERR_LENGTH:
      return TINYOPS_FETCH_ERR_LENGTH;
    case TINYOPS_HTTP_ERR_PLACE:
      return TINYOPS_FETCH_ERR_PLACE;
    case TINYOPS_HTTP_ERR_CUT:
      return TINYOPS_FETCH_ERR_CUT;
    default:
      return TINYOPS_FETCH_ERR_HTTP;
  }
}

/* Bytes of an answer. Returns 0 or why the poll is over. */
static int32_t take_bytes(tinyops_fetch *fetch, const uint8_t *bytes, uint32_t count) {
  uint32_t at = 0;
  fetch->report.received += count;
  fetch->window_bytes += count;
  while (at < count && fetch->http.is_done == 0) {
    const uint8_t *body = 0;
    uint32_t body_bytes = 0;
    const int32_t used =
        tinyops_http_take(&fetch->http, bytes + at, count - at, &body, &body_bytes);
    if (used < 0) {
      return http_reason(used);
    }
    at += (uint32_t)used;
    int32_t status = 0;
    if (fetch->http.in_body != 0 && fetch->judged == 0) {
      status = judge_head(fetch);
    }
    if (status == 0 && body_bytes != 0) {
      status = take_body(fetch, body, body_bytes);
    }
    if (status != 0) {
      return status;
    }
  }
  return 0;
}

/* Whether the server takes its time. */
static int32_t is_slow(tinyops_fetch *fetch) {
  const uint32_t passed_ms = now_ms(fetch) - fetch->since_ms;
  if (fetch->judged == 0) {
    return passed_ms > TINYOPS_FETCH_HEAD_MS;
  }
  if (passed_ms <= TINYOPS_FETCH_WINDOW_MS) {
    return 0;
  }
  const int32_t slow = fetch->window_bytes < TINYOPS_FETCH_WINDOW_BYTES;
  fetch->since_ms = now_ms(fetch);
  fetch->window_bytes = 0;
  return slow;
}

/* Nothing more comes over this connection. */
static void take_end(tinyops_fetch *fetch, int32_t reason) {
  const int32_t whole = reason == TINYOPS_STREAM_ENDED && fetch->judged != 0 &&
                        tinyops_http_end(&fetch->http) == TINYOPS_HTTP_OK;
  if (whole) {
    end_answer(fetch);
  } else {
    give_up(fetch, reason == TINYOPS_STREAM_ENDED ? TINYOPS_FETCH_ERR_CUT : reason);
  }
}

static int32_t read_answer(tinyops_fetch *fetch) {
  const tinyops_fetch_config *config = fetch->config;
  const int32_t count =
      config->stream->receive(config->stream->context, config->piece, config->piece_bytes);
  if (count < 0) {
    take_end(fetch, count);
    return 1;
  }
  const int32_t status = count != 0 ? take_bytes(fetch, config->piece, (uint32_t)count) : 0;
  if (status != 0) {
    give_up(fetch, status);
  } else if (fetch->http.is_done != 0 || (fetch->judged != 0 && is_idle(fetch) != 0 &&
                                          fetch->gathered > TINYOPS_FETCH_DRAIN_MAX)) {
    end_answer(fetch);
  } else if (is_slow(fetch)) {
    give_up(fetch, TINYOPS_FETCH_ERR_TIME);
  }
  return count != 0;
}

static int32_t be_opened(tinyops_fetch *fetch) {
  const tinyops_stream *stream = fetch->config->stream;
  const int32_t status = stream->ready(stream->context);
  if (status == 1) {
    begin_phase(fetch, TINYOPS_FETCH_SENDS);
  } else if (status < 0) {
    give_up(fetch, status);
  } else if (now_ms(fetch) - fetch->since_ms > TINYOPS_FETCH_OPEN_MS) {
    give_up(fetch, TINYOPS_FETCH_ERR_TIME);
  }
  return status != 0;
}

/* -- The caller's ---------------------------------------------------------------------------- */

void tinyops_fetch_open(tinyops_fetch *fetch, const tinyops_fetch_config *config,
                        const tinyops_fetch_memory *memory) {
  *fetch = (tinyops_fetch){.config = config, .memory = *memory};
  const tinyops_slots_image *model = &config->slots->images[TINYOPS_IMAGE_MODEL];
  fetch->phase = model->state != TINYOPS_TRIAL_IDLE ? TINYOPS_FETCH_TRIES : TINYOPS_FETCH_WAITS;
  fetch->due_ms = now_ms(fetch);
}

int32_t tinyops_fetch_poll(tinyops_fetch *fetch) {
  switch (fetch->phase) {
    case TINYOPS_FETCH_OPENS:
      return be_opened(fetch);
    case TINYOPS_FETCH_SENDS:
      send_request(fetch);
      return 1;
    case TINYOPS_FETCH_READS:
      return read_answer(fetch);
    case TINYOPS_FETCH_TRIES:
      tinyops_fetch_watch(fetch);
      return 0;
    default:
      break;
  }
  if (now_ms(fetch) - fetch->due_ms >= 0x80000000u) { /* modulo 2^32: not yet */
    return 0;
  }
  if (fetch->phase == TINYOPS_FETCH_PAUSES) {
    tinyops_fetch_image(fetch);
  } else {
    ask_for_entry(fetch);
  }
  return 1;
}

void tinyops_fetch_now(tinyops_fetch *fetch) {
  if (fetch->phase == TINYOPS_FETCH_WAITS) {
    fetch->due_ms = now_ms(fetch);
  }
}
