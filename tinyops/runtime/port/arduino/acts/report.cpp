/* From an application's report to what others are told. Nothing of a board: it runs anywhere. */
#include "act.h"
#include "tinyops/link.h"

enum { TYPE_AT = 0, PAYLOAD_AT = 2, HEAD = PAYLOAD_AT + TINYOPS_LINK_RESULT_REPLY_SIZE };

static uint16_t get16(const uint8_t *bytes) {
  return static_cast<uint16_t>(bytes[0] | static_cast<uint16_t>(bytes[1]) << 8);
}

static uint32_t get32(const uint8_t *bytes) {
  return static_cast<uint32_t>(get16(bytes)) | static_cast<uint32_t>(get16(bytes + 2)) << 16;
}

int32_t tinyops_arduino_read_result(const uint8_t *report, uint32_t bytes, uint32_t ms,
                                    tinyops_arduino_result *result) {
  if (bytes < HEAD || report[TYPE_AT] != TINYOPS_LINK_RESULT) {
    return -1;
  }
  const uint8_t *payload = report + PAYLOAD_AT;
  const uint32_t sent = bytes - HEAD;
  const uint16_t outputs = get16(payload + TINYOPS_LINK_RESULT_REPLY_OUTPUTS_AT);
  *result = tinyops_arduino_result();
  result->sequence = get32(payload + TINYOPS_LINK_RESULT_REPLY_INDEX_AT);
  result->ms = ms;
  result->best = get16(payload + TINYOPS_LINK_RESULT_REPLY_BEST_AT);
  const uint8_t *scores = report + HEAD;
  if (result->best < sent) {
    result->confidence = static_cast<uint8_t>(scores[result->best] + 128u);
  }
  if (outputs > sent || outputs > TINYOPS_ARDUINO_SCORES_MAX) {
    return 0;
  }
  result->count = outputs;
  for (uint16_t i = 0; i < outputs; ++i) {
    result->scores[i] = static_cast<int8_t>(scores[i]);
  }
  return 0;
}

void tinyops_arduino_pack(const tinyops_arduino_result *result, uint8_t *bytes) {
  for (unsigned i = 0; i < 4; ++i) {
    bytes[i] = static_cast<uint8_t>(result->sequence >> (8 * i));
  }
  bytes[4] = static_cast<uint8_t>(result->best);
  bytes[5] = static_cast<uint8_t>(result->best >> 8);
  bytes[6] = result->confidence;
  bytes[7] = TINYOPS_ARDUINO_FORMAT;
}

/* Text that grows; one character too many spoils it. */
typedef struct {
  char *text;
  uint32_t room, length;
  bool whole;
} writer;

static void put(writer *to, char character) {
  if (to->length + 1 >= to->room) {
    to->whole = false;
    return;
  }
  to->text[to->length++] = character;
}

static void put_text(writer *to, const char *text) {
  for (; *text != 0; ++text) {
    put(to, *text);
  }
}

/* Names are letters, digits and a few signs; anything else may not end the text early. */
static void put_name(writer *to, const char *name) {
  put(to, '"');
  for (; *name != 0; ++name) {
    put(to, *name < ' ' || *name > '~' || *name == '"' || *name == '\\' ? '?' : *name);
  }
  put(to, '"');
}

static void put_number(writer *to, uint32_t number) {
  char digits[10];
  uint32_t count = 0;
  do {
    digits[count++] = static_cast<char>('0' + number % 10);
    number /= 10;
  } while (number > 0);
  while (count > 0) {
    put(to, digits[--count]);
  }
}

static void put_signed(writer *to, int32_t number) {
  if (number < 0) {
    put(to, '-');
  }
  put_number(to, static_cast<uint32_t>(number < 0 ? -number : number));
}

static void put_scores(writer *to, const tinyops_arduino_result *result) {
  if (result->count == 0) {
    put_text(to, "null");
    return;
  }
  for (uint16_t i = 0; i < result->count; ++i) {
    put(to, i == 0 ? '[' : ',');
    put_signed(to, result->scores[i]);
  }
  put(to, ']');
}

static void put_field(writer *to, const char *name, const char *value) {
  put_text(to, name);
  put_name(to, value);
}

uint32_t tinyops_arduino_write_json(const tinyops_arduino_post *post,
                                    const tinyops_arduino_result *result, uint32_t lost, char *text,
                                    uint32_t room) {
  writer to = {text, room, 0, room > 0};
  const bool named = post->labels != 0 && result->best < post->label_count;
  put_field(&to, "{\"schema\":", "tinyops/result/v1");
  put_field(&to, ",\"device\":", post->device);
  put_field(&to, ",\"board\":", post->board);
  put_field(&to, ",\"fleet\":", post->fleet);
  put_text(&to, ",\"model\":null,\"sequence\":"); /* a linked model has no digest of its own */
  put_number(&to, result->sequence);
  put_text(&to, ",\"lost\":");
  put_number(&to, lost);
  put_text(&to, ",\"ms\":");
  put_number(&to, result->ms);
  put_text(&to, ",\"class\":");
  put_number(&to, result->best);
  put_text(&to, ",\"label\":");
  if (named) {
    put_name(&to, post->labels[result->best]);
  } else {
    put_text(&to, "null");
  }
  put_text(&to, ",\"scores\":");
  put_scores(&to, result);
  put_text(&to, named ? ",\"scale\":0.00390625,\"zero_point\":-128}"
                      : ",\"scale\":null,\"zero_point\":null}");
  if (room > 0) {
    text[to.length] = 0;
  }
  return to.whole ? to.length : 0;
}
