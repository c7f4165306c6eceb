/* Text of header fields. */
#ifndef TINYOPS_FETCH_HTTP_TEXT_H
#define TINYOPS_FETCH_HTTP_TEXT_H

#include <stdint.h>

/* Part of a line. */
typedef struct {
  const uint8_t *bytes;
  uint32_t count;
} tinyops_text;

/* Bytes of a text before the NUL at its end. */
uint32_t tinyops_text_length(const char *text);

/* Whether both are the same but for the case of letters; `word` is in lower case. */
int32_t tinyops_text_is(tinyops_text text, const char *word);

/* Without spaces and tabs at its ends. */
tinyops_text tinyops_text_trim(tinyops_text text);

/* Takes a decimal number of at most 10 digits off the front. Returns 0, or -1: there is none, or it
 * does not fit. */
int32_t tinyops_text_number(tinyops_text *text, uint32_t *number);

/* Takes `word` off the front. Returns 0 or -1: something else is there. */
int32_t tinyops_text_skip(tinyops_text *text, const char *word);

/* Seconds after 1970 of a date as HTTP has them ("Sun, 06 Nov 1994 08:49:37 GMT"), 0: none. */
uint64_t tinyops_text_date(tinyops_text text);

#endif
