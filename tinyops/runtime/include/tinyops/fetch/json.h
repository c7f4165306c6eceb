/* A reader of canonical JSON: what `tinyops` signs and nothing looser. No spaces, keys in ascending
 * order, so that none is there twice; numbers are whole. It reads in place and keeps no state but
 * where it stands. */
#ifndef TINYOPS_FETCH_JSON_H
#define TINYOPS_FETCH_JSON_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { TINYOPS_JSON_DEPTH_MAX = 8 };

typedef enum {
  TINYOPS_JSON_OK = 0,
  TINYOPS_JSON_ERR_FORM = -1, /* not canonical JSON, or not what the caller asked for */
  TINYOPS_JSON_ERR_DEEP = -2  /* nested deeper than TINYOPS_JSON_DEPTH_MAX */
} tinyops_json_status;

typedef struct {
  const uint8_t *bytes;
  uint32_t count;
  uint32_t at;
} tinyops_json;

/* Text as it stands between its quotes: escapes are left as they are. */
typedef struct {
  const uint8_t *bytes;
  uint32_t count;
} tinyops_json_text;

/* The members of an object, one after another. */
typedef struct {
  tinyops_json_text key; /* of the last one */
  uint8_t begun;
} tinyops_json_members;

/* Takes one character. Returns OK or ERR_FORM: another stands there. */
int32_t tinyops_json_take(tinyops_json *json, char character);

/* Steps to an object's next member, behind its colon; begins with `members` zeroed. Returns 1, 0
 * behind the object's end, or a negative status. */
int32_t tinyops_json_next(tinyops_json *json, tinyops_json_members *members);

/* Values. Each returns OK or a negative status. */
int32_t tinyops_json_read_text(tinyops_json *json, tinyops_json_text *text);
/* 0 to 2^32 - 1. */
int32_t tinyops_json_read_number(tinyops_json *json, uint32_t *number);
/* Any value, which is passed over. */
int32_t tinyops_json_skip(tinyops_json *json);

/* Whether `null` stands there; it is then taken. */
int32_t tinyops_json_is_null(tinyops_json *json);

/* Whether a text is the same as `word`, which ends in a zero. */
int32_t tinyops_json_is(tinyops_json_text text, const char *word);

#ifdef __cplusplus
}
#endif

#endif
