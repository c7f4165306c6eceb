/* A client's half of HTTP/1.1 (RFC 9110, 9112): what to send, and what an answer says. No input is
 * too long or too strange for it: everything is bounded, and what is refused has a number.
 *
 * The caller owns the structs and moves the bytes. */
#ifndef TINYOPS_FETCH_HTTP_H
#define TINYOPS_FETCH_HTTP_H

#include <stdint.h>

#include "tinyops/fetch/url.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_HTTP_HEAD_MAX = 32768, /* bytes of status line and header fields */
  TINYOPS_HTTP_FIELD_MAX = 128,  /* of a field that is read; others may be longer */
  TINYOPS_HTTP_ETAG_MAX = 79,
  TINYOPS_HTTP_INTERIM_MAX = 4 /* answers 1xx before the answer */
};

typedef enum {
  TINYOPS_HTTP_OK = 0,
  TINYOPS_HTTP_ERR_FORM = -1,   /* not HTTP/1.x, or malformed */
  TINYOPS_HTTP_ERR_HEAD = -2,   /* the head, or a field that matters, is too long */
  TINYOPS_HTTP_ERR_LENGTH = -3, /* two lengths, or one that is no number */
  TINYOPS_HTTP_ERR_CODING = -4, /* compressed, or transferred in a way that was not asked for */
  TINYOPS_HTTP_ERR_PLACE = -5,  /* redirected to what is no https URL */
  TINYOPS_HTTP_ERR_CUT = -6     /* ended before its end */
} tinyops_http_status;

/* What is asked for. Everything pointed to outlives the request. */
typedef struct {
  const tinyops_url *url;
  const char *etag; /* what the caller has already, ended by a zero; null or "": nothing */
  uint32_t from;    /* first byte that is wanted; 0: the whole */
} tinyops_http_request;

/* Copies bytes of the request from `offset` on. Returns how many, 0 behind its end. */
uint32_t tinyops_http_request_read(const tinyops_http_request *request, uint32_t offset,
                                   uint8_t *bytes, uint32_t room);

/* An answer. The first part is for the caller to read once `in_body` or `is_done` is set. */
typedef struct {
  uint32_t status;
  uint8_t in_body;
  uint8_t is_done;    /* all of it came */
  uint8_t closes;     /* the server will end the connection behind it */
  uint8_t has_length; /* of the body; else it is chunked, or ends with the connection */
  uint8_t has_range;  /* the body is a part: */
  uint8_t is_redirect;
  uint32_t length;
  uint32_t range_from;
  uint32_t range_total; /* of the whole; 0: unknown */
  uint64_t date_s;      /* when the server says it is, seconds after 1970; 0: it does not say */
  char etag[TINYOPS_HTTP_ETAG_MAX + 1];
  /* The parser's own. */
  tinyops_url *place; /* where a redirect's URL is put */
  uint8_t phase, field, interim, chunked, placed;
  uint32_t head_bytes;
  uint32_t line_bytes;  /* of the line so far */
  uint32_t value_bytes; /* kept of it */
  uint32_t place_bytes; /* the redirect's, at the end of place->path */
  uint32_t left;        /* of the body, or of the chunk */
  uint8_t line[TINYOPS_HTTP_FIELD_MAX];
} tinyops_http;

/* Begins an answer. When it is a redirect, its URL is in `place` afterwards, whose host is that of
 * the request. */
void tinyops_http_begin(tinyops_http *http, tinyops_url *place);

/* Takes bytes that came. Returns how many of them were used, or a negative status; `body` and
 * `body_bytes` tell which of these belong to the body. Call again with the rest until `is_done`. */
int32_t tinyops_http_take(tinyops_http *http, const uint8_t *bytes, uint32_t count,
                          const uint8_t **body, uint32_t *body_bytes);

/* The connection ended. Returns OK when that is how the answer ends, or ERR_CUT. */
int32_t tinyops_http_end(tinyops_http *http);

#ifdef __cplusplus
}
#endif

#endif
