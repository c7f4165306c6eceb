/* Text of header fields; see http_text.h. */
#include "http_text.h"

#include "tinyops/fetch/clock.h"

enum { DIGITS_MAX = 10, MONTHS = 12 };

static uint8_t lowered(uint8_t c) { return (uint8_t)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

uint32_t tinyops_text_length(const char *text) {
  uint32_t length = 0;
  while (text[length] != 0) {
    length++;
  }
  return length;
}

int32_t tinyops_text_skip(tinyops_text *text, const char *word) {
  uint32_t length = 0;
  while (word[length] != 0) {
    if (length == text->count || lowered(text->bytes[length]) != lowered((uint8_t)word[length])) {
      return -1;
    }
    length++;
  }
  text->bytes += length;
  text->count -= length;
  return 0;
}

int32_t tinyops_text_is(tinyops_text text, const char *word) {
  return tinyops_text_skip(&text, word) == 0 && text.count == 0;
}

static int32_t is_space(uint8_t c) { return c == ' ' || c == '\t'; }

tinyops_text tinyops_text_trim(tinyops_text text) {
  while (text.count != 0 && is_space(text.bytes[0])) {
    text.bytes++;
    text.count--;
  }
  while (text.count != 0 && is_space(text.bytes[text.count - 1u])) {
    text.count--;
  }
  return text;
}

int32_t tinyops_text_number(tinyops_text *text, uint32_t *number) {
  uint64_t value = 0;
  uint32_t digits = 0;
  while (digits < text->count && text->bytes[digits] >= '0' && text->bytes[digits] <= '9') {
    if (digits == DIGITS_MAX) {
      return -1;
    }
    value = value * 10u + (uint64_t)(text->bytes[digits] - '0');
    digits++;
  }
  if (digits == 0 || value > UINT32_MAX) {
    return -1;
  }
  text->bytes += digits;
  text->count -= digits;
  *number = (uint32_t)value;
  return 0;
}

/* 1 to 12, 0: none. */
static int32_t take_month(tinyops_text *text) {
  static const char names[MONTHS][4] = {"jan", "feb", "mar", "apr", "may", "jun",
                                        "jul", "aug", "sep", "oct", "nov", "dec"};
  for (int32_t i = 0; i < MONTHS; i++) {
    if (tinyops_text_skip(text, names[i]) == 0) {
      return i + 1;
    }
  }
  return 0;
}

/* A number and what stands behind it. */
static int32_t take_part(tinyops_text *text, int32_t *part, const char *behind) {
  uint32_t number = 0;
  if (tinyops_text_number(text, &number) != 0 || number > 9999u) {
    return -1;
  }
  *part = (int32_t)number;
  return tinyops_text_skip(text, behind);
}

uint64_t tinyops_text_date(tinyops_text text) {
  tinyops_date date = {0, 0, 0, 0, 0, 0};
  if (text.count < 5u) {
    return 0;
  }
  text.bytes += 3; /* the day of the week says nothing new */
  text.count -= 3u;
  if (tinyops_text_skip(&text, ", ") != 0 || take_part(&text, &date.day, " ") != 0) {
    return 0;
  }
  date.month = take_month(&text);
  const int32_t good =
      tinyops_text_skip(&text, " ") == 0 && take_part(&text, &date.year, " ") == 0 &&
      take_part(&text, &date.hour, ":") == 0 && take_part(&text, &date.minute, ":") == 0 &&
      take_part(&text, &date.second, " ") == 0 && tinyops_text_is(text, "gmt");
  return good ? tinyops_clock_seconds(&date) : 0;
}
