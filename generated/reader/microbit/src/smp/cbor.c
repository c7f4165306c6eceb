/* CBOR in and out, without recursion: both ends bounded. */
#include "cbor.h"

enum {
  BREAK = 0xff,
  INDEFINITE = 31,
  CBOR_TAG = 6,
  DEPTH_MAX = 4,
  OPEN = -1 /* items of a container that ends with BREAK */
};

static void put_byte(cbor_writer *writer, uint32_t byte) {
  if (writer->at == writer->end) {
    writer->full = 1;
    return;
  }
  *writer->at++ = (uint8_t)byte;
}

static void put_big_endian(cbor_writer *writer, uint32_t value, uint32_t bytes) {
  while (bytes > 0) {
    bytes--;
    put_byte(writer, value >> (8 * bytes));
  }
}

/* The number stands in the head itself, or in 1, 2 or 4 bytes behind it: 24, 25 and 26. */
static void put_head(cbor_writer *writer, uint32_t type, uint32_t value) {
  const uint32_t bytes = value < 24 ? 0u : value <= 0xff ? 1u : value <= 0xffff ? 2u : 4u;
  put_byte(writer, type << 5 | (bytes == 0 ? value : 24u + (bytes >> 1)));
  put_big_endian(writer, value, bytes);
}

void cbor_put_open_map(cbor_writer *writer) { put_byte(writer, CBOR_MAP << 5 | INDEFINITE); }

void cbor_put_open_array(cbor_writer *writer) { put_byte(writer, CBOR_ARRAY << 5 | INDEFINITE); }

void cbor_put_end(cbor_writer *writer) { put_byte(writer, BREAK); }

void cbor_put_uint(cbor_writer *writer, uint32_t value) { put_head(writer, CBOR_UINT, value); }

void cbor_put_int(cbor_writer *writer, int32_t value) {
  if (value < 0) {
    put_head(writer, CBOR_NEGATIVE, ~(uint32_t)value);
  } else {
    put_head(writer, CBOR_UINT, (uint32_t)value);
  }
}

void cbor_put_string(cbor_writer *writer, uint32_t type, const uint8_t *bytes, uint32_t count) {
  put_head(writer, type, count);
  for (uint32_t i = 0; i < count; i++) {
    put_byte(writer, bytes[i]);
  }
}

void cbor_put_text(cbor_writer *writer, const char *text) {
  uint32_t count = 0;
  while (text[count] != 0) {
    count++;
  }
  cbor_put_string(writer, CBOR_TEXT, (const uint8_t *)text, count);
}

void cbor_entry_words(cbor_writer *writer, const char *names, const uint32_t *words) {
  while (*names != 0) {
    const int32_t is_signed = *names == '-';
    names += is_signed;
    cbor_put_text(writer, names);
    if (is_signed != 0) {
      cbor_put_int(writer, (int32_t)*words);
    } else {
      cbor_put_uint(writer, *words);
    }
    words++;
    while (*names++ != 0) {
    }
  }
}

void cbor_entry_uint(cbor_writer *writer, const char *key, uint32_t value) {
  cbor_put_text(writer, key);
  cbor_put_uint(writer, value);
}

void cbor_entry_long(cbor_writer *writer, const char *key, uint64_t value) {
  cbor_put_text(writer, key);
  put_byte(writer, CBOR_UINT << 5 | 27);
  put_big_endian(writer, (uint32_t)(value >> 32), 4);
  put_big_endian(writer, (uint32_t)value, 4);
}

void cbor_entry_int(cbor_writer *writer, const char *key, int32_t value) {
  cbor_put_text(writer, key);
  cbor_put_int(writer, value);
}

void cbor_entry_bool(cbor_writer *writer, const char *key, int32_t value) {
  cbor_put_text(writer, key);
  put_byte(writer, CBOR_SIMPLE << 5 | (value != 0 ? CBOR_TRUE : CBOR_FALSE));
}

void cbor_entry_text(cbor_writer *writer, const char *key, const char *text) {
  cbor_put_text(writer, key);
  cbor_put_text(writer, text);
}

void cbor_entry_bytes(cbor_writer *writer, const char *key, const uint8_t *bytes, uint32_t count) {
  if (bytes != 0) {
    cbor_put_text(writer, key);
    cbor_put_string(writer, CBOR_BYTES, bytes, count);
  }
}

typedef struct {
  const uint8_t *at;
  const uint8_t *end;
} reader;

static uint32_t left(const reader *self) { return (uint32_t)(self->end - self->at); }

/* The number after a head, of 0, 1, 2 or 4 bytes. */
static int32_t take_number(reader *self, uint32_t more, uint32_t *value) {
  if (more < 24) {
    *value = more;
    return 0;
  }
  if (more > 26 || left(self) < (1u << (more - 24))) {
    return -1;
  }
  *value = 0;
  for (uint32_t i = 0; i < 1u << (more - 24); i++) {
    *value = *value << 8 | *self->at++;
  }
  return 0;
}

/* Takes an item's head, and the bytes of a string. A container of unknown length has the value
 * UINT32_MAX. */
static int32_t take(reader *self, cbor_item *item) {
  if (left(self) == 0) {
    return -1;
  }
  const uint32_t head = *self->at++;
  item->type = head >> 5;
  item->bytes = 0;
  if (item->type == CBOR_TAG) {
    return -1;
  }
  if ((head & 31) == INDEFINITE) {
    item->value = UINT32_MAX;
    return item->type == CBOR_ARRAY || item->type == CBOR_MAP ? 0 : -1;
  }
  if (take_number(self, head & 31, &item->value) != 0) {
    return -1;
  }
  if (item->type == CBOR_BYTES || item->type == CBOR_TEXT) {
    if (item->value > left(self)) {
      return -1;
    }
    item->bytes = self->at;
    self->at += item->value;
  }
  return 0;
}

static int32_t at_break(const reader *self) { return left(self) > 0 && *self->at == BREAK; }

/* How many items a container holds, OPEN when a BREAK ends it; -2 for more than there are bytes. */
static int32_t items_of(const reader *self, const cbor_item *item) {
  if (item->value == UINT32_MAX) {
    return OPEN;
  }
  if (item->value > left(self)) {
    return -2;
  }
  return (int32_t)(item->type == CBOR_MAP ? 2 * item->value : item->value);
}

/* Steps over what a container holds. */
static int32_t skip(reader *self, const cbor_item *container) {
  int32_t counts[DEPTH_MAX];
  int32_t depth = 0;
  counts[0] = items_of(self, container);
  while (depth >= 0) {
    if (counts[depth] < OPEN) {
      return -1;
    }
    const int32_t ended = counts[depth] == OPEN ? at_break(self) : counts[depth] == 0;
    if (ended != 0) {
      self->at += counts[depth] == OPEN;
      depth--;
      continue;
    }
    counts[depth] -= counts[depth] > 0;
    cbor_item item;
    if (take(self, &item) != 0) {
      return -1;
    }
    if (item.type == CBOR_ARRAY || item.type == CBOR_MAP) {
      if (++depth == DEPTH_MAX) {
        return -1;
      }
      counts[depth] = items_of(self, &item);
    }
  }
  return 0;
}

static int32_t is_text(const cbor_item *item, const char *text) {
  uint32_t i = 0;
  while (i < item->value && text[i] != 0 && item->bytes[i] == (uint8_t)text[i]) {
    i++;
  }
  return i == item->value && text[i] == 0;
}

/* A key and its value; the value's content, if it is a container, is stepped over. */
static int32_t take_entry(reader *self, cbor_item *key, cbor_item *value) {
  if (take(self, key) != 0 || key->type != CBOR_TEXT || take(self, value) != 0) {
    return -1;
  }
  if (value->type == CBOR_ARRAY || value->type == CBOR_MAP) {
    return skip(self, value);
  }
  return 0;
}

int32_t cbor_find(const uint8_t *bytes, uint32_t count, const char *key, cbor_item *item) {
  reader self = {bytes, bytes + count};
  cbor_item map;
  if (take(&self, &map) != 0 || map.type != CBOR_MAP) {
    return -1;
  }
  int32_t entries = items_of(&self, &map);
  if (entries < OPEN) {
    return -1;
  }
  entries = entries == OPEN ? OPEN : entries / 2;
  int32_t found = 0;
  while (entries == OPEN ? !at_break(&self) : entries > 0) {
    cbor_item name;
    cbor_item value;
    if (take_entry(&self, &name, &value) != 0) {
      return -1;
    }
    if (found == 0 && is_text(&name, key)) {
      *item = value;
      found = 1;
    }
    entries -= entries > 0;
  }
  return found;
}
