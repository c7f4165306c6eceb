/* Requests and answers of HTTP/1.1; see http.h.
 *
 *   LINE -> (empty line) -> COUNTED | CHUNK_SIZE <-> CHUNK -> TRAILER | OPEN -> DONE */
#include "tinyops/fetch/http.h"

#include "http_text.h"

enum {
  LINE = 0,   /* the status line, or a field */
  COUNTED,    /* a body of known length */
  CHUNK_SIZE, /* a line with the length of a chunk */
  CHUNK,
  CHUNK_END, /* the end of line behind a chunk */
  TRAILER,   /* fields behind the last chunk */
  OPEN,      /* a body that ends with the connection */
  DONE
};
enum { FIELD_UNKNOWN = 0, FIELD_OTHER = 1, FIELD_PLACE = 2 };
enum { CHUNK_MAX = 0x0fffffff, FIRST_REDIRECT = 301, LAST_REDIRECT = 308 };

/* -- Requests -------------------------------------------------------------------------------- */

enum { PARTS = 11, NUMBER_ROOM = 11 };

/* Writes a number and a zero. */
static const char *write_number(uint32_t number, char *room) {
  char *at = room + NUMBER_ROOM - 1;
  *at = 0;
  do {
    *--at = (char)('0' + number % 10u);
    number /= 10u;
  } while (number != 0);
  return at;
}

uint32_t tinyops_http_request_read(const tinyops_http_request *request, uint32_t offset,
                                   uint8_t *bytes, uint32_t room) {
  char port[NUMBER_ROOM], from[NUMBER_ROOM];
  const int32_t plain = request->url->port == TINYOPS_URL_PORT;
  const int32_t part = request->from != 0;
  const int32_t known = request->etag != 0 && request->etag[0] != 0;
  const char *parts[PARTS] = {
      "GET ",
      request->url->path,
      " HTTP/1.1\r\nHost: ",
      request->url->host,
      plain ? "" : ":",
      plain ? "" : write_number(request->url->port, port),
      "\r\nUser-Agent: tinyops\r\nAccept-Encoding: identity\r\n",
      part ? "Range: bytes=" : "",
      part ? write_number(request->from, from) : "",
      part    ? "-\r\n"
      : known ? "If-None-Match: "
              : "",
      !part && known ? request->etag : "",
  };
  const char *end = !part && known ? "\r\n\r\n" : "\r\n";
  uint32_t at = 0, copied = 0;
  for (uint32_t i = 0; i <= PARTS; i++) {
    const char *text = i < PARTS ? parts[i] : end;
    const uint32_t length = tinyops_text_length(text);
    for (uint32_t j = offset > at ? offset - at : 0; j < length && copied < room; j++) {
      bytes[copied++] = (uint8_t)text[j];
    }
    at += length;
  }
  return copied;
}

/* -- Header fields --------------------------------------------------------------------------- */

static int32_t take_length(tinyops_http *http, tinyops_text value) {
  uint32_t length = 0;
  if (tinyops_text_number(&value, &length) != 0 || value.count != 0 ||
      (http->has_length != 0 && length != http->length)) {
    return TINYOPS_HTTP_ERR_LENGTH;
  }
  http->has_length = 1;
  http->length = length;
  return 0;
}

/* "bytes 200-1023/1024", the last part may be unknown; or "bytes" and a star, of which no body
 * is. */
static int32_t take_range(tinyops_http *http, tinyops_text value) {
  uint32_t last = 0;
  if (tinyops_text_skip(&value, "bytes ") != 0) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  if (tinyops_text_skip(&value, "*") == 0) {
    return 0;
  }
  if (tinyops_text_number(&value, &http->range_from) != 0 || tinyops_text_skip(&value, "-") != 0 ||
      tinyops_text_number(&value, &last) != 0 || tinyops_text_skip(&value, "/") != 0 ||
      last < http->range_from) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  http->range_total = 0;
  if (tinyops_text_is(value, "*") == 0 &&
      (tinyops_text_number(&value, &http->range_total) != 0 || value.count != 0)) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  http->has_range = 1;
  return 0;
}

/* One that is too long to be kept is as good as none. */
static void take_etag(tinyops_http *http, tinyops_text value) {
  const uint32_t count = value.count <= TINYOPS_HTTP_ETAG_MAX ? value.count : 0;
  for (uint32_t i = 0; i < count; i++) {
    http->etag[i] = (char)value.bytes[i];
  }
  http->etag[count] = 0;
}

/* Whether a field matters; a long one that does is refused. */
static int32_t matters(tinyops_text name) {
  static const char *const names[] = {"content-length", "content-range", "transfer-encoding",
                                      "content-encoding"};
  for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
    if (tinyops_text_is(name, names[i])) {
      return 1;
    }
  }
  return 0;
}

static int32_t take_field(tinyops_http *http, tinyops_text name, tinyops_text value) {
  if (tinyops_text_is(name, "content-length")) {
    return take_length(http, value);
  }
  if (tinyops_text_is(name, "content-range")) {
    return take_range(http, value);
  }
  if (tinyops_text_is(name, "transfer-encoding")) {
    http->chunked = 1;
    return tinyops_text_is(value, "chunked") ? 0 : TINYOPS_HTTP_ERR_CODING;
  }
  if (tinyops_text_is(name, "content-encoding")) {
    return tinyops_text_is(value, "identity") ? 0 : TINYOPS_HTTP_ERR_CODING;
  }
  if (tinyops_text_is(name, "connection")) {
    http->closes = tinyops_text_is(value, "close") ? 1 : http->closes;
  } else if (tinyops_text_is(name, "etag")) {
    take_etag(http, value);
  } else if (tinyops_text_is(name, "date")) {
    http->date_s = tinyops_text_date(value);
  }
  return 0;
}

static int32_t take_status(tinyops_http *http, tinyops_text line) {
  uint32_t minor = 0;
  if (tinyops_text_skip(&line, "HTTP/1.") != 0 || tinyops_text_number(&line, &minor) != 0 ||
      minor > 1u || tinyops_text_skip(&line, " ") != 0 ||
      tinyops_text_number(&line, &http->status) != 0 || http->status < 100u ||
      http->status > 599u || http->status == 101u) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  http->closes = minor == 0;
  return 0;
}

/* A whole line of the head, without its end. */
static int32_t take_line(tinyops_http *http) {
  const uint32_t kept =
      http->line_bytes < TINYOPS_HTTP_FIELD_MAX ? http->line_bytes : TINYOPS_HTTP_FIELD_MAX;
  const tinyops_text line = {http->line, kept};
  if (http->status == 0) {
    return take_status(http, line);
  }
  if (http->field == FIELD_PLACE) {
    return 0; /* it went elsewhere */
  }
  tinyops_text name = {http->line, 0};
  while (name.count < kept && http->line[name.count] != ':') {
    name.count++;
  }
  const int32_t good = name.count != 0 && name.bytes[0] != ' ' && name.bytes[0] != '\t';
  if (!good || (name.count == kept && http->line_bytes == kept)) {
    return TINYOPS_HTTP_ERR_FORM; /* no colon, or a line that goes on with the one before */
  }
  if (http->line_bytes > TINYOPS_HTTP_FIELD_MAX) {
    return matters(name) ? TINYOPS_HTTP_ERR_HEAD : 0;
  }
  const tinyops_text value = {http->line + name.count + 1u, kept - name.count - 1u};
  return take_field(http, name, tinyops_text_trim(value));
}

/* -- The head -------------------------------------------------------------------------------- */

static int32_t find_redirect(tinyops_http *http) {
  const uint32_t s = http->status;
  http->is_redirect = s == 301u || s == 302u || s == 303u || s == 307u || s == 308u;
  if (http->is_redirect == 0) {
    return 0;
  }
  uint32_t count = http->place_bytes;
  while (count != 0 &&
         (http->place->path[count - 1u] == ' ' || http->place->path[count - 1u] == '\t')) {
    count--;
  }
  return tinyops_url_parse(http->place, http->place->path, count) == TINYOPS_URL_OK
             ? 0
             : TINYOPS_HTTP_ERR_PLACE;
}

static void begin_body(tinyops_http *http) {
  http->in_body = 1;
  if (http->status == 204u || http->status == 304u ||
      (http->has_length != 0 && http->length == 0)) {
    http->phase = DONE;
  } else if (http->chunked != 0) {
    http->phase = CHUNK_SIZE;
    http->line_bytes = http->left = 0;
  } else if (http->has_length != 0) {
    http->phase = COUNTED;
    http->left = http->length;
  } else {
    http->phase = OPEN;
    http->closes = 1;
  }
  http->is_done = http->phase == DONE;
}

static int32_t end_head(tinyops_http *http) {
  if (http->status < 200u) {
    const uint8_t interim = (uint8_t)(http->interim + 1u);
    tinyops_http_begin(http, http->place);
    http->interim = interim;
    return interim <= TINYOPS_HTTP_INTERIM_MAX ? 0 : TINYOPS_HTTP_ERR_FORM;
  }
  if (http->chunked != 0 && http->has_length != 0) {
    return TINYOPS_HTTP_ERR_LENGTH; /* two answers to where it ends */
  }
  const int32_t status = find_redirect(http);
  if (status == 0) {
    begin_body(http);
  }
  return status;
}

static int32_t end_line(tinyops_http *http) {
  if (http->line_bytes != 0 && http->field != FIELD_PLACE &&
      http->line_bytes <= TINYOPS_HTTP_FIELD_MAX && http->line[http->line_bytes - 1u] == '\r') {
    http->line_bytes--;
  }
  const uint32_t bytes = http->line_bytes;
  if (bytes == 0) {
    return http->status != 0 ? end_head(http) : TINYOPS_HTTP_ERR_FORM;
  }
  const int32_t status = take_line(http);
  http->line_bytes = 0;
  http->field = FIELD_UNKNOWN;
  return status;
}

/* A redirect's place has room of its own. It may come once. */
static int32_t keep_place(tinyops_http *http, uint8_t byte) {
  if (byte == '\r' || (http->place_bytes == 0 && (byte == ' ' || byte == '\t'))) {
    return 0;
  }
  if (http->place_bytes == TINYOPS_URL_MAX) {
    return TINYOPS_HTTP_ERR_PLACE;
  }
  http->place->path[http->place_bytes++] = (char)byte;
  return 0;
}

/* Which field begins is known at its colon. */
static int32_t find_field(tinyops_http *http) {
  const tinyops_text name = {http->line, http->line_bytes};
  http->field = FIELD_OTHER;
  if (http->status >= FIRST_REDIRECT && http->status <= LAST_REDIRECT &&
      tinyops_text_is(name, "location")) {
    if (http->placed != 0) {
      return TINYOPS_HTTP_ERR_PLACE;
    }
    http->placed = 1;
    http->field = FIELD_PLACE;
  }
  return 0;
}

static int32_t take_head_byte(tinyops_http *http, uint8_t byte) {
  if (++http->head_bytes > TINYOPS_HTTP_HEAD_MAX) {
    return TINYOPS_HTTP_ERR_HEAD;
  }
  if (byte == '\n') {
    return end_line(http);
  }
  if ((byte < 0x20 && byte != '\t' && byte != '\r') || byte == 0x7f) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  if (http->field == FIELD_PLACE) {
    return keep_place(http, byte);
  }
  if (byte == ':' && http->field == FIELD_UNKNOWN && http->status != 0 &&
      http->line_bytes < TINYOPS_HTTP_FIELD_MAX) {
    const int32_t status = find_field(http);
    if (status != 0) {
      return status;
    }
  }
  if (http->line_bytes < TINYOPS_HTTP_FIELD_MAX) {
    http->line[http->line_bytes] = byte;
  }
  http->line_bytes++;
  return 0;
}

/* -- The body -------------------------------------------------------------------------------- */

static int32_t digit_of(uint8_t byte) {
  if (byte >= '0' && byte <= '9') {
    return byte - '0';
  }
  const int32_t letter = (byte | 0x20) - 'a';
  return letter >= 0 && letter < 6 ? letter + 10 : -1;
}

/* Hexadecimal digits, then what some servers add behind a semicolon. `field` is set once the digits
 * have ended. */
static int32_t take_size_byte(tinyops_http *http, uint8_t byte) {
  if (++http->line_bytes > TINYOPS_HTTP_FIELD_MAX) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  const int32_t digit = digit_of(byte);
  if (digit >= 0 && http->field == FIELD_UNKNOWN) {
    if (http->left > CHUNK_MAX / 16u) {
      return TINYOPS_HTTP_ERR_LENGTH;
    }
    http->left = http->left * 16u + (uint32_t)digit;
    return 0;
  }
  if (http->line_bytes == 1u) {
    return TINYOPS_HTTP_ERR_FORM;
  }
  http->field = FIELD_OTHER;
  if (byte == '\n') {
    http->phase = http->left != 0 ? CHUNK : TRAILER;
    http->line_bytes = 0;
    http->field = FIELD_UNKNOWN;
  }
  return 0;
}

static int32_t take_chunk_end_byte(tinyops_http *http, uint8_t byte) {
  if (byte == '\n') {
    http->phase = CHUNK_SIZE;
    http->line_bytes = http->left = 0;
    return 0;
  }
  return byte == '\r' ? 0 : TINYOPS_HTTP_ERR_FORM;
}

/* Fields that nobody reads, until an empty line. */
static int32_t take_trailer_byte(tinyops_http *http, uint8_t byte) {
  if (++http->head_bytes > TINYOPS_HTTP_HEAD_MAX) {
    return TINYOPS_HTTP_ERR_HEAD;
  }
  if (byte == '\n') {
    http->is_done = http->line_bytes == 0;
    http->phase = http->is_done != 0 ? DONE : TRAILER;
    http->line_bytes = 0;
  } else if (byte != '\r') {
    http->line_bytes = 1;
  }
  return 0;
}

static int32_t take_byte(tinyops_http *http, uint8_t byte) {
  switch (http->phase) {
    case LINE:
      return take_head_byte(http, byte);
    case CHUNK_SIZE:
      return take_size_byte(http, byte);
    case CHUNK_END:
      return take_chunk_end_byte(http, byte);
    default:
      return take_trailer_byte(http, byte);
  }
}

/* As much of the body as lies there. */
static uint32_t take_body(tinyops_http *http, uint32_t count) {
  if (http->phase == OPEN) {
    return count;
  }
  const uint32_t taken = count < http->left ? count : http->left;
  http->left -= taken;
  if (http->left == 0) {
    http->phase = http->phase == CHUNK ? CHUNK_END : DONE;
    http->is_done = http->phase == DONE;
  }
  return taken;
}

int32_t tinyops_http_take(tinyops_http *http, const uint8_t *bytes, uint32_t count,
                          const uint8_t **body, uint32_t *body_bytes) {
  uint32_t at = 0;
  *body = bytes;
  *body_bytes = 0;
  while (at < count && http->phase != DONE) {
    if (http->phase == COUNTED || http->phase == CHUNK || http->phase == OPEN) {
      *body = bytes + at;
      *body_bytes = take_body(http, count - at);
      return (int32_t)(at + *body_bytes);
    }
    const uint8_t in_body = http->in_body;
    const int32_t status = take_byte(http, bytes[at++]);
    if (status != 0) {
      return status;
    }
    if (http->in_body != in_body) {
      break; /* the head is whole: the caller judges it before the body comes */
    }
  }
  return (int32_t)at;
}

int32_t tinyops_http_end(tinyops_http *http) {
  if (http->phase == OPEN) {
    http->phase = DONE;
    http->is_done = 1;
  }
  return http->phase == DONE ? TINYOPS_HTTP_OK : TINYOPS_HTTP_ERR_CUT;
}

void tinyops_http_begin(tinyops_http *http, tinyops_url *place) {
  *http = (tinyops_http){.place = place};
}
