/* Canonical JSON (tinyops/files.py: canonical_json); see json.h. */
#include "tinyops/fetch/json.h"

enum { FORM = TINYOPS_JSON_ERR_FORM, DIGITS_MAX = 18 };

static int32_t peek(const tinyops_json *json) {
  return json->at < json->count ? json->bytes[json->at] : -1;
}

int32_t tinyops_json_take(tinyops_json *json, char character) {
  if (peek(json) != character) {
    return FORM;
  }
  json->at++;
  return 0;
}

static int32_t take_word(tinyops_json *json, const char *word) {
  const uint32_t start = json->at;
  for (uint32_t i = 0; word[i] != 0; i++) {
    if (tinyops_json_take(json, word[i]) != 0) {
      json->at = start;
      return FORM;
    }
  }
  return 0;
}

int32_t tinyops_json_is_null(tinyops_json *json) { return take_word(json, "null") == 0; }

int32_t tinyops_json_is(tinyops_json_text text, const char *word) {
  uint32_t i = 0;
  while (word[i] != 0 && i < text.count && text.bytes[i] == (uint8_t)word[i]) {
    i++;
  }
  return i == text.count && word[i] == 0;
}

/* The four digits of a \u escape. */
static int32_t take_code(tinyops_json *json) {
  for (int32_t i = 0; i < 4; i++) {
    const int32_t c = peek(json);
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) {
      return FORM;
    }
    json->at++;
  }
  return 0;
}

static int32_t take_escape(tinyops_json *json) {
  static const char known[] = "\"\\bfnrt";
  const int32_t c = peek(json);
  json->at++;
  if (c == 'u') {
    return take_code(json);
  }
  for (uint32_t i = 0; i < sizeof(known) - 1u; i++) {
    if (c == known[i]) {
      return 0;
    }
  }
  return FORM;
}

int32_t tinyops_json_read_text(tinyops_json *json, tinyops_json_text *text) {
  if (tinyops_json_take(json, '"') != 0) {
    return FORM;
  }
  const uint32_t start = json->at;
  for (;;) {
    const int32_t c = peek(json);
    if (c < 0x20) { /* the end of the input, too */
      return FORM;
    }
    if (c == '"') {
      break;
    }
    json->at++;
    if (c == '\\' && take_escape(json) != 0) {
      return FORM;
    }
  }
  *text = (tinyops_json_text){json->bytes + start, json->at - start};
  json->at++;
  return 0;
}

/* Digits as canonical JSON has them: no leading zeros. */
static int32_t take_digits(tinyops_json *json, uint64_t *value) {
  uint32_t digits = 0;
  *value = 0;
  const int32_t first = peek(json);
  for (int32_t c = first; c >= '0' && c <= '9'; c = peek(json)) {
    if (++digits > DIGITS_MAX || (digits == 2u && first == '0')) {
      return FORM;
    }
    *value = *value * 10u + (uint64_t)(c - '0');
    json->at++;
  }
  return digits != 0 ? 0 : FORM;
}

int32_t tinyops_json_read_number(tinyops_json *json, uint32_t *number) {
  uint64_t value = 0;
  const int32_t status = take_digits(json, &value);
  const int32_t c = peek(json);
  if (status != 0 || value > UINT32_MAX || c == '.' || c == 'e' || c == 'E') {
    return FORM;
  }
  *number = (uint32_t)value;
  return 0;
}

/* Whether one key stands before another in the order of their bytes. */
static int32_t is_before(tinyops_json_text a, tinyops_json_text b) {
  uint32_t i = 0;
  while (i < a.count && i < b.count && a.bytes[i] == b.bytes[i]) {
    i++;
  }
  return i == a.count ? i < b.count : i < b.count && a.bytes[i] < b.bytes[i];
}

int32_t tinyops_json_next(tinyops_json *json, tinyops_json_members *members) {
  if (tinyops_json_take(json, members->begun != 0 ? ',' : '{') != 0) {
    return members->begun != 0 && tinyops_json_take(json, '}') == 0 ? 0 : FORM;
  }
  if (members->begun == 0 && tinyops_json_take(json, '}') == 0) {
    return 0;
  }
  tinyops_json_text key;
  if (tinyops_json_read_text(json, &key) != 0 || tinyops_json_take(json, ':') != 0 ||
      (members->begun != 0 && is_before(members->key, key) == 0)) {
    return FORM;
  }
  members->key = key;
  members->begun = 1;
  return 1;
}

/* A value that holds no others. Fractions are passed over, whatever writes them. */
static int32_t skip_plain(tinyops_json *json) {
  tinyops_json_text text;
  const int32_t c = peek(json);
  if (c == '"') {
    return tinyops_json_read_text(json, &text);
  }
  if (c == 't') {
    return take_word(json, "true");
  }
  if (c == 'f') {
    return take_word(json, "false");
  }
  if (c == 'n') {
    return take_word(json, "null");
  }
  uint64_t value = 0;
  (void)tinyops_json_take(json, '-');
  if (take_digits(json, &value) != 0) {
    return FORM;
  }
  for (int32_t n = peek(json);
       (n >= '0' && n <= '9') || n == '.' || n == 'e' || n == 'E' || n == '+' || n == '-';
       n = peek(json)) {
    json->at++;
  }
  return 0;
}

/* Behind a value: the ends of what it is in, then a comma, or the end of all. Returns 1 when
 * another value follows, 0 when all are closed. */
static int32_t close_all(tinyops_json *json, const char *ends, uint32_t *depth) {
  while (*depth != 0) {
    if (tinyops_json_take(json, ends[*depth - 1u]) == 0) {
      (*depth)--;
      continue;
    }
    return tinyops_json_take(json, ',') == 0 ? 1 : FORM;
  }
  return 0;
}

/* A key and its colon, in an object whose order nobody needs. */
static int32_t skip_key(tinyops_json *json) {
  tinyops_json_text key;
  return tinyops_json_read_text(json, &key) == 0 ? tinyops_json_take(json, ':') : FORM;
}

int32_t tinyops_json_skip(tinyops_json *json) {
  char ends[TINYOPS_JSON_DEPTH_MAX]; /* of what is open, the innermost last */
  uint32_t depth = 0;
  for (;;) {
    const int32_t c = peek(json);
    int32_t empty = 0;
    if (c == '{' || c == '[') {
      if (depth == TINYOPS_JSON_DEPTH_MAX) {
        return TINYOPS_JSON_ERR_DEEP;
      }
      json->at++;
      ends[depth++] = c == '{' ? '}' : ']';
      empty = peek(json) == ends[depth - 1u];
    } else if (skip_plain(json) != 0) {
      return FORM;
    }
    if (empty != 0 || (c != '{' && c != '[')) {
      const int32_t more = close_all(json, ends, &depth);
      if (more <= 0) {
        return more;
      }
    }
    if (depth != 0 && ends[depth - 1u] == '}' && skip_key(json) != 0) {
      return FORM;
    }
  }
}
