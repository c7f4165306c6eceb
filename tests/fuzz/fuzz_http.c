/* Answers of servers, and the URLs in them.
 *
 * The input's first two bytes say how long the pieces are in which the rest comes; the rest is what
 * a server sends, up to the end of the connection.
 *
 * What must hold: what is used and what is body lies within what came; an answer is the same in one
 * piece as in any others; a body is as long as was announced; a redirect leads to a whole URL. */
#include <string.h>

#include "input.h"
#include "tinyops/fetch/http.h"

enum { DONE = 1, OPEN = 2, PLACE_HOST = 'h' };

/* What came of an answer. */
typedef struct {
  int32_t status; /* DONE, OPEN (more is wanted), or the refusal */
  uint32_t body_bytes, body_sum, used;
  tinyops_http *http;
  tinyops_url *url;
} outcome;

static void check_url(const tinyops_url *url) {
  uint32_t host = 0;
  while (host <= TINYOPS_URL_HOST_MAX && url->host[host] != 0) {
    host++;
  }
  FUZZ_CHECK(host != 0 && host <= TINYOPS_URL_HOST_MAX);
  FUZZ_CHECK(url->path_bytes != 0 && url->path_bytes <= TINYOPS_URL_MAX && url->path[0] == '/');
  FUZZ_CHECK(url->path[url->path_bytes] == 0 && strlen(url->path) == url->path_bytes);
  FUZZ_CHECK(url->port != 0 && url->port <= 65535u);
}

/* What it asks for next can be said, in pieces of any length. */
static void check_request(const tinyops_url *url) {
  const tinyops_http_request request = {.url = url, .etag = "\"x\"", .from = 0};
  uint8_t whole[TINYOPS_URL_MAX + TINYOPS_URL_HOST_MAX + 200], piece[37];
  const uint32_t count = tinyops_http_request_read(&request, 0, whole, sizeof(whole));
  FUZZ_CHECK(count < sizeof(whole) && memcmp(whole + count - 4u, "\r\n\r\n", 4u) == 0);
  for (uint32_t at = 0; at < count;) {
    const uint32_t got = tinyops_http_request_read(&request, at, piece, sizeof(piece));
    FUZZ_CHECK(got != 0 && memcmp(piece, whole + at, got) == 0);
    at += got;
  }
}

/* One call. Returns 0 when the answer is over or refused. */
static int32_t take(outcome *found, const uint8_t *bytes, uint32_t count) {
  const uint8_t *body = NULL;
  uint32_t body_bytes = 0;
  const int32_t used = tinyops_http_take(found->http, bytes, count, &body, &body_bytes);
  if (used < 0) {
    found->status = used;
    return 0;
  }
  FUZZ_CHECK((uint32_t)used <= count && (used != 0 || found->http->is_done != 0));
  FUZZ_CHECK(body_bytes == 0 || (body >= bytes && body + body_bytes <= bytes + used));
  for (uint32_t i = 0; i < body_bytes; i++) {
    found->body_sum = found->body_sum * 31u + body[i];
  }
  found->body_bytes += body_bytes;
  found->used += (uint32_t)used;
  if (found->http->is_done != 0) {
    found->status = DONE;
    return 0;
  }
  return 1;
}

static outcome run(const uint8_t *bytes, uint32_t count, uint32_t first, uint32_t rest) {
  outcome found = {
      .status = OPEN, .http = malloc(sizeof(tinyops_http)), .url = calloc(1, sizeof(tinyops_url))};
  FUZZ_CHECK(found.http != NULL && found.url != NULL);
  found.url->host[0] = PLACE_HOST;
  found.url->port = TINYOPS_URL_PORT;
  tinyops_http_begin(found.http, found.url);
  uint32_t at = 0, piece = first;
  int32_t goes_on = 1;
  while (goes_on != 0 && at < count) {
    const uint32_t here = piece < count - at ? piece : count - at;
    uint8_t *copy = malloc(here); /* of its own, so that a sanitizer sees one byte too many */
    FUZZ_CHECK(copy != NULL);
    memcpy(copy, bytes + at, here);
    const uint32_t before = found.used;
    goes_on = take(&found, copy, here);
    at += found.used - before;
    free(copy);
    piece = rest;
  }
  if (found.status == OPEN && tinyops_http_end(found.http) == TINYOPS_HTTP_OK) {
    found.status = DONE;
  }
  return found;
}

static void judge(const outcome *found) {
  const tinyops_http *http = found->http;
  if (found->status != DONE) {
    return;
  }
  const int32_t has_body = http->status != 204u && http->status != 304u;
  FUZZ_CHECK(http->status >= 200u && http->status <= 599u);
  FUZZ_CHECK(http->has_length == 0 || found->body_bytes == (has_body ? http->length : 0u));
  FUZZ_CHECK(strlen(http->etag) <= TINYOPS_HTTP_ETAG_MAX);
  if (http->is_redirect != 0) {
    check_url(found->url);
    check_request(found->url);
  }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  fuzz_input input = {bytes, bytes + count};
  const uint32_t first = fuzz_byte(&input) + 1u, rest = fuzz_byte(&input) + 1u;
  const uint32_t left = fuzz_left(&input);
  outcome whole = run(input.at, left, left != 0 ? left : 1u, 1u);
  outcome pieces = run(input.at, left, first, rest);
  judge(&whole);
  FUZZ_CHECK(whole.status == pieces.status);
  if (whole.status >= 0) {
    FUZZ_CHECK(whole.body_bytes == pieces.body_bytes && whole.body_sum == pieces.body_sum);
    FUZZ_CHECK(whole.used == pieces.used && whole.http->status == pieces.http->status);
    FUZZ_CHECK(strcmp(whole.url->path, pieces.url->path) == 0);
  }
  free(whole.http);
  free(whole.url);
  free(pieces.http);
  free(pieces.url);
  return 0;
}
