/* Undoing a delta, bit by bit, as its bytes come.
 *
 *   HEADER -> CODE -> LENGTH -> DIGITS -> FLAG <-> VALUE -> LENGTH -> ... -> END
 *
 * A round is a count of differences, those, a count of literals, those, and, unless the result is
 * whole, how far to go in the base. Every bit is decoded by itself (Martin's range decoder, with
 * the adaptive odds of LZMA), so work may stop between any two of them, where a byte is missing. */
#include "tinyops/delta.h"

#include "tinyops/boot.h"
#include "tinyops/little_endian.h"

enum { HEADER, CODE, LENGTH, DIGITS, FLAG, VALUE, LITERAL, END };
enum { DIFFERENCES, LITERALS, SEEK };
enum { CODE_BYTES = 4, BYTE_BITS = 8, OK = TINYOPS_SLOTS_OK, MALFORMED = TINYOPS_SLOTS_ERR_DELTA };

#define TOP (1u << 24) /* below this the decoder wants a byte */
#define ODDS_ONE (1u << TINYOPS_DELTA_ODDS_BITS)
#define HISTORY_MASK (TINYOPS_DELTA_HISTORIES - 1u)

typedef char state_is_small[sizeof(tinyops_app_deltas) <= TINYOPS_DELTA_STATE_MAX ? 1 : -1];
typedef char header_fits[TINYOPS_DELTA_HEADER_BYTES <= TINYOPS_DELTA_PIECE ? 1 : -1];

int32_t tinyops_delta_is(const uint8_t *bytes, uint32_t count) {
  return count >= 4u && tinyops_get32(bytes) == TINYOPS_DELTA_MAGIC;
}

void tinyops_delta_open(tinyops_delta *d, tinyops_slots *slots) {
  d->slots = slots;
  d->image = slots->writing;
  d->bytes = slots->announced;
  d->given = 0;
  d->held = 0;
  d->state = HEADER;
}

static void even_odds(uint16_t *odds, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    odds[i] = ODDS_ONE / 2u;
  }
}

/* A bit by its odds, which follow it: odds are for 0. */
static uint32_t decode(tinyops_delta *d, uint16_t *odds, uint32_t rate) {
  const uint32_t bound = (d->range >> TINYOPS_DELTA_ODDS_BITS) * *odds;
  if (d->code < bound) {
    d->range = bound;
    *odds = (uint16_t)(*odds + ((ODDS_ONE - *odds) >> rate));
    return 0;
  }
  d->range -= bound;
  d->code -= bound;
  *odds = (uint16_t)(*odds - (*odds >> rate));
  return 1;
}

/* A bit that is as likely 1 as 0. */
static uint32_t decode_even(tinyops_delta *d) {
  d->range >>= 1;
  const uint32_t bit = d->code >= d->range;
  d->code -= bit != 0u ? d->range : 0u;
  return bit;
}

static int32_t ask(tinyops_delta *d, uint8_t wanted) {
  d->wanted = wanted;
  d->state = LENGTH;
  d->node = 1;
  return OK;
}

static int32_t next_round(tinyops_delta *d) {
  if (d->made == d->result_bytes) {
    d->state = END;
    return OK;
  }
  return ask(d, SEEK);
}

static int32_t seek(tinyops_delta *d) {
  const uint32_t far = d->number >> 1;
  const int32_t is_back = (d->number & 1u) != 0u;
  if (far > (is_back != 0 ? d->from : d->base_bytes - d->from)) {
    return MALFORMED;
  }
  d->from = is_back != 0 ? d->from - far : d->from + far;
  d->old_at = d->from - TINYOPS_DELTA_PIECE;
  return ask(d, DIFFERENCES);
}

/* A number is whole: what it counts begins. */
static int32_t begin_run(tinyops_delta *d) {
  if (d->wanted == SEEK) {
    return seek(d);
  }
  d->left = d->number;
  if (d->left > d->result_bytes - d->made) {
    return MALFORMED;
  }
  if (d->wanted == DIFFERENCES) {
    d->moved = d->left;
    d->history = 0;
    d->state = FLAG;
    if (d->left > d->base_bytes - d->from) {
      return MALFORMED;
    }
    return d->left != 0u ? OK : ask(d, LITERALS);
  }
  if (d->moved == 0u && d->left == 0u) {
    return MALFORMED; /* a round that makes nothing */
  }
  d->state = LITERAL;
  d->node = 1;
  return d->left != 0u ? OK : next_round(d);
}

static int32_t take_length(tinyops_delta *d) {
  d->node = d->node << 1 | decode(d, &d->length_odds[d->node], TINYOPS_DELTA_RATE);
  if (d->node < TINYOPS_DELTA_LENGTHS) {
    return OK;
  }
  const uint32_t digits = d->node - TINYOPS_DELTA_LENGTHS;
  d->number = digits != 0u;
  d->left = digits != 0u ? digits - 1u : 0u;
  d->state = DIGITS;
  return d->left != 0u ? OK : begin_run(d);
}

static int32_t take_digit(tinyops_delta *d) {
  d->number = d->number << 1 | decode_even(d);
  d->left--;
  return d->left != 0u ? OK : begin_run(d);
}

/* Writes what `out` holds. */
static int32_t flush(tinyops_delta *d) {
  tinyops_slots *slots = d->slots;
  const int32_t status = slots->crypto->write(slots, slots->given, d->out, d->held);
  d->held = 0;
  if (slots->pause != 0) {
    slots->pause(slots->context);
  }
  return status < 0 ? status : OK;
}

/* A byte of the result, the last one of a run or not. */
static int32_t put(tinyops_delta *d, uint8_t byte) {
  d->out[d->held++] = byte;
  d->made++;
  d->left--;
  const int32_t status =
      d->held == TINYOPS_DELTA_PIECE || d->made == d->result_bytes ? flush(d) : OK;
  if (status != OK || d->left != 0u) {
    return status;
  }
  return d->wanted == DIFFERENCES ? ask(d, LITERALS) : next_round(d);
}

/* The next byte of the base, with a difference. */
static int32_t put_changed(tinyops_delta *d, uint32_t difference) {
  tinyops_slots *slots = d->slots;
  if (d->from - d->old_at >= TINYOPS_DELTA_PIECE) {
    const uint32_t rest = d->base_bytes - d->from;
    const uint32_t count = rest < TINYOPS_DELTA_PIECE ? rest : TINYOPS_DELTA_PIECE;
    d->old_at = d->from;
    if (slots->flash->read(slots->context, d->base + d->from, d->old, count) != 0) {
      return TINYOPS_SLOTS_ERR_FLASH;
    }
  }
  d->history = (d->history << 1 | (difference != 0u)) & HISTORY_MASK;
  d->state = FLAG;
  return put(d, (uint8_t)(d->old[d->from++ - d->old_at] + difference));
}

static int32_t take_flag(tinyops_delta *d) {
  if (decode(d, &d->flag_odds[d->history], TINYOPS_DELTA_RATE_FLAGS) == 0u) {
    return put_changed(d, 0);
  }
  d->state = VALUE;
  d->node = 1;
  return OK;
}

/* Differences and literals share their odds. */
static int32_t take_value(tinyops_delta *d) {
  d->node = d->node << 1 | decode(d, &d->value_odds[d->node], TINYOPS_DELTA_RATE);
  if (d->node < TINYOPS_DELTA_VALUES) {
    return OK;
  }
  const uint8_t value = (uint8_t)d->node;
  d->node = 1;
  return d->state == VALUE ? put_changed(d, value) : put(d, value);
}

static int32_t step(tinyops_delta *d) {
  switch (d->state) {
    case LENGTH:
      return take_length(d);
    case DIGITS:
      return take_digit(d);
    case FLAG:
      return take_flag(d);
    default:
      return take_value(d);
  }
}

/* Whether the base that the header names is what runs, and where it lies. */
static int32_t find_base(tinyops_delta *d, const uint8_t *digest) {
  tinyops_slots *slots = d->slots;
  const uint32_t slot = slots->crypto->running(slots, d->image);
  tinyops_image_info info;
  if (slot >= TINYOPS_SLOTS_EACH || slot == slots->target) {
    return TINYOPS_SLOTS_ERR_BASE;
  }
  for (uint32_t i = 0; i < TINYOPS_SLOTS_DIGEST_BYTES; i++) {
    if (slots->images[d->image].verified[slot][i] != digest[i]) {
      return TINYOPS_SLOTS_ERR_BASE;
    }
  }
  const int32_t status = slots->crypto->describe(slots, d->image, slot, &info);
  d->base = slots->slots[d->image][slot].origin;
  return status == OK && d->base_bytes > info.total_bytes ? MALFORMED : status;
}

static int32_t take_header(tinyops_delta *d) {
  tinyops_slots *slots = d->slots;
  d->base_bytes = tinyops_get32(d->out + TINYOPS_DELTA_AT_BASE_BYTES);
  d->result_bytes = tinyops_get32(d->out + TINYOPS_DELTA_AT_RESULT_BYTES);
  int32_t status = tinyops_delta_is(d->out, d->held) != 0 ? OK : MALFORMED;
  if (status == OK) {
    status = find_base(d, d->out + TINYOPS_DELTA_AT_BASE_DIGEST);
  }
  if (status == OK) { /* again, with the length of what will be there */
    status = slots->crypto->begin(slots, d->image, d->result_bytes,
                                  slots->has_upload_digest != 0u ? slots->upload_digest : 0);
  }
  if (status < 0) {
    return status;
  }
  even_odds(d->length_odds, TINYOPS_DELTA_LENGTHS);
  even_odds(d->flag_odds, TINYOPS_DELTA_HISTORIES);
  even_odds(d->value_odds, TINYOPS_DELTA_VALUES);
  d->made = d->from = d->code = d->held = 0;
  d->range = UINT32_MAX;
  d->old_at = d->from - TINYOPS_DELTA_PIECE;
  d->state = CODE;
  return OK;
}

/* Takes a byte that was waited for, and does all that it allows. */
static int32_t take_byte(tinyops_delta *d, uint8_t byte) {
  if (d->state == HEADER) {
    d->out[d->held++] = byte;
    return d->held < TINYOPS_DELTA_HEADER_BYTES ? OK : take_header(d);
  }
  if (d->state == CODE) {
    d->code = d->code << 8 | byte;
    if (++d->held < CODE_BYTES) {
      return OK;
    }
    d->held = 0;
    (void)ask(d, DIFFERENCES);
  } else {
    if (d->range >= TOP) {
      return MALFORMED; /* bytes behind the end */
    }
    d->range <<= BYTE_BITS;
    d->code = d->code << BYTE_BITS | byte;
  }
  int32_t status = OK;
  while (status == OK && d->state != END && d->range >= TOP) {
    status = step(d);
  }
  return status;
}

/* All of the file is there. */
static int32_t finish(tinyops_delta *d) {
  return d->state == END && d->range >= TOP ? d->slots->crypto->finish(d->slots) : MALFORMED;
}

int32_t tinyops_delta_take(tinyops_delta *d, const uint8_t *bytes, uint32_t count) {
  tinyops_slots *slots = d->slots;
  int32_t status = count <= d->bytes - d->given ? OK : TINYOPS_SLOTS_ERR_BYTES;
  for (uint32_t i = 0; status == OK && i < count; i++) {
    status = take_byte(d, bytes[i]);
  }
  d->given += count;
  const int32_t is_whole = d->given == d->bytes;
  if (status == OK && is_whole != 0) {
    status = finish(d);
  }
  if (status < 0 || is_whole != 0) {
    d->bytes = 0;
  }
  if (status < 0 && slots->writing != TINYOPS_SLOTS_NONE) {
    slots->writing = TINYOPS_SLOTS_NONE; /* as after any refusal of slots */
  }
  return status < 0 ? status : (int32_t)d->given;
}
