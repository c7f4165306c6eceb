/* A message goes over a line in pieces, and comes together again whatever the line does to them:
 * loses, doubles, damages, changes their order, stalls. Nothing here sends or waits; time and
 * frames come from the caller.
 *
 *   out:  pieces that are pending are sent in order; who computes is silent, and is not asked; a
 *         question follows when the receiver speaks of other things and does not answer;
 *         MISSING makes pieces pending again, or ends it
 *   in:   a bit for every piece; asks for ranges when the last one came, when asked, when it is
 *         quiet; the CRC-32 over set, number and bytes decides */
#include "tinyops/bytes.h"
#include "tinyops/chain.h"
#include "tinyops/crc32.h"
#include "tinyops/little_endian.h"

enum {
  PIECE = TINYOPS_LINK_DATA_MAX,
  HEAD = 2, /* type and sequence */
  CRC = 4,
  RANGE = 4,
  ASKS_MAX = 8,
  DAMAGED_MAX = 3,
  /* The first state since the last piece may have been told before that came, the second one was
   * not. Who says that it computes this message, or has and holds it up, most likely does. */
  ASKED_AFTER = 8,
  SPOKE = 4,
  SPOKE_OF_IT = 1
};

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static int32_t has(const uint8_t *bits, uint32_t at) { return bits[at / 8] >> (at % 8) & 1; }

static void set_bit(uint8_t *bits, uint32_t at) {
  bits[at / 8] = (uint8_t)(bits[at / 8] | 1u << (at % 8));
}

static void clear_bit(uint8_t *bits, uint32_t at) {
  bits[at / 8] = (uint8_t)(bits[at / 8] & ~(1u << (at % 8)));
}

static void clear_all(uint8_t *bits) {
  for (uint32_t i = 0; i < TINYOPS_PART_PIECES_MAX / 8; i++) {
    bits[i] = 0;
  }
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = from[i];
  }
}

/* Walks the tensors that a stretch of a message touches. `arena` or `held` of a step are null where
 * the tensor does not lie there. */
typedef struct {
  const tinyops_message *message;
  uint32_t tensor, begins; /* the next tensor, and where it begins in the message */
  uint32_t at, end;        /* what is left of the stretch */
  uint8_t *arena, *held;
  uint32_t count; /* bytes of this step */
} walk;

static int32_t step(walk *self) {
  const tinyops_message *message = self->message;
  self->at += self->count;
  self->count = 0;
  while (self->at < self->end && self->tensor < message->count) {
    const tinyops_model_tensor *tensor = &message->tensors[self->tensor];
    const uint32_t inside = self->at - self->begins;
    if (inside < tensor->bytes) {
      self->count = smaller(tensor->bytes - inside, self->end - self->at);
      self->arena = tensor->arena_offset != TINYOPS_MODEL_NOWHERE
                        ? message->arena + tensor->arena_offset + inside
                        : 0;
      self->held = tensor->held_offset != TINYOPS_MODEL_NOWHERE
                       ? message->held + tensor->held_offset + inside
                       : 0;
      return 1;
    }
    self->begins += tensor->bytes;
    self->tensor++;
  }
  return 0;
}

static walk stretch(const tinyops_message *message, uint32_t at, uint32_t count) {
  at = smaller(at, message->bytes);
  return (walk){.message = message, .at = at, .end = at + smaller(count, message->bytes - at)};
}

void tinyops_message_read(const tinyops_message *message, uint32_t at, uint8_t *to,
                          uint32_t count) {
  walk steps = stretch(message, at, count);
  if (message->tensors == 0) {
    copy(to, message->arena + steps.at, steps.end - steps.at);
    return;
  }
  while (step(&steps)) {
    const uint8_t *from = steps.held != 0 ? steps.held : steps.arena;
    copy(to, from, steps.count);
    to += steps.count;
  }
}

void tinyops_message_write(const tinyops_message *message, uint32_t at, const uint8_t *from,
                           uint32_t count) {
  walk steps = stretch(message, at, count);
  while (step(&steps)) {
    if (steps.arena != 0) {
      copy(steps.arena, from, steps.count);
    }
    if (steps.held != 0) {
      copy(steps.held, from, steps.count);
    }
    from += steps.count;
  }
}

void tinyops_message_hold(const tinyops_message *message) {
  walk steps = stretch(message, 0, message->bytes);
  while (step(&steps)) {
    if (steps.arena != 0 && steps.held != 0) {
      copy(steps.held, steps.arena, steps.count);
    }
  }
}

uint32_t tinyops_message_crc(const tinyops_message *message, const uint8_t *set, uint32_t number) {
  uint8_t bytes[4];
  tinyops_put32(bytes, number);
  uint32_t crc = tinyops_crc32_more(TINYOPS_CRC32_START, set, TINYOPS_PART_SET_BYTES);
  crc = tinyops_crc32_more(crc, bytes, sizeof(bytes));
  if (message->tensors == 0) {
    return ~tinyops_crc32_more(crc, message->arena, message->bytes);
  }
  walk steps = stretch(message, 0, message->bytes);
  while (step(&steps)) {
    crc = tinyops_crc32_more(crc, steps.held != 0 ? steps.held : steps.arena, steps.count);
  }
  return ~crc;
}

static uint32_t pieces_of(const tinyops_message *message) {
  return message->bytes / PIECE + (message->bytes % PIECE != 0);
}

void tinyops_pieces_begin(tinyops_pieces_out *out, const tinyops_message *message,
                          const uint8_t *set, uint32_t number, uint32_t now_ms) {
  *out = (tinyops_pieces_out){.message = *message,
                              .number = number,
                              .crc = tinyops_message_crc(message, set, number),
                              .pieces = pieces_of(message),
                              .begun_ms = now_ms};
  out->active = out->pieces > 0 && out->pieces <= TINYOPS_PART_PIECES_MAX;
  for (uint32_t i = 0; out->active != 0 && i < out->pieces; i++) {
    set_bit(out->pending, i);
    out->left++;
  }
}

/* A question is a piece without data. */
static uint32_t put_piece(const tinyops_pieces_out *out, uint8_t *frame, uint32_t index,
                          uint32_t count) {
  uint8_t *payload = frame + HEAD;
  frame[0] = TINYOPS_LINK_PART_PIECE;
  frame[1] = (uint8_t)out->number;
  tinyops_put16(payload + TINYOPS_LINK_PART_PIECE_INDEX_AT, index);
  tinyops_message_read(&out->message, index * PIECE, payload + TINYOPS_LINK_PART_PIECE_SIZE, count);
  uint32_t length = HEAD + TINYOPS_LINK_PART_PIECE_SIZE + count;
  if (count > 0 && index + 1 == out->pieces) {
    tinyops_put32(frame + length, out->crc);
    length += CRC;
  }
  return length;
}

void tinyops_pieces_told(tinyops_pieces_out *out, uint8_t sequence, uint32_t number) {
  if (out->active != 0 && number == out->number && sequence == (uint8_t)number) {
    out->active = 0;
  } else if (out->spoke < ASKED_AFTER) {
    out->spoke = (uint8_t)(out->spoke + (number == out->number ? SPOKE_OF_IT : SPOKE));
  }
}

uint32_t tinyops_pieces_next(tinyops_pieces_out *out, uint8_t *frame) {
  if (out->active == 0 || (out->left == 0 && out->spoke < ASKED_AFTER)) {
    return 0;
  }
  out->spoke = 0;
  if (out->left == 0) {
    return put_piece(out, frame, 0, 0);
  }
  uint32_t index = 0;
  while (index + 1 < out->pieces && has(out->pending, index) == 0) {
    index++;
  }
  clear_bit(out->pending, index);
  out->left--;
  return put_piece(out, frame, index, smaller(PIECE, out->message.bytes - index * PIECE));
}

int32_t tinyops_pieces_missing(tinyops_pieces_out *out, uint8_t sequence, const uint8_t *payload,
                               uint32_t bytes) {
  if (out->active == 0 || sequence != (uint8_t)out->number || bytes % RANGE != 0) {
    return 0;
  }
  if (bytes == 0) {
    out->active = 0;
    return 1;
  }
  for (uint32_t at = 0; at < bytes; at += RANGE) {
    const uint32_t first = tinyops_get16(payload + at);
    const uint32_t end = smaller(first + tinyops_get16(payload + at + 2), out->pieces);
    for (uint32_t i = first; i < end; i++) {
      out->left += has(out->pending, i) == 0;
      set_bit(out->pending, i);
    }
  }
  return 0;
}

void tinyops_pieces_await(tinyops_pieces_in *in, const tinyops_message *message, const uint8_t *set,
                          uint32_t number) {
  *in = (tinyops_pieces_in){
      .message = *message, .set = set, .number = number, .pieces = pieces_of(message)};
}

static void open_message(tinyops_pieces_in *in, uint32_t number, uint32_t now_ms) {
  in->number = number;
  in->open = 1;
  in->taken = 0;
  in->have = 0;
  in->asks = 0;
  in->damaged = 0;
  in->heard_ms = now_ms;
  clear_all(in->came);
}

/* Whether the piece is of the message that comes: opens a newer one, drops an older one's. */
static int32_t belongs(tinyops_pieces_in *in, uint8_t sequence, uint32_t now_ms) {
  const uint8_t ahead = (uint8_t)(sequence - (uint8_t)in->number);
  if (in->open != 0 && ahead == 0) {
    return 1;
  }
  if (ahead >= 0x80u) {
    return 0;
  }
  open_message(in, in->number + ahead, now_ms);
  return 1;
}

static tinyops_pieces_event judge(tinyops_pieces_in *in) {
  if (tinyops_message_crc(&in->message, in->set, in->number) == in->crc) {
    in->whole = 1;
    return TINYOPS_PIECES_WHOLE;
  }
  in->damaged++;
  if (in->damaged > DAMAGED_MAX) {
    return TINYOPS_PIECES_LOST;
  }
  in->have = 0;
  clear_all(in->came);
  return TINYOPS_PIECES_ASK;
}

static tinyops_pieces_event keep(tinyops_pieces_in *in, const uint8_t *payload, uint32_t bytes,
                                 uint32_t now_ms) {
  const uint32_t index = tinyops_get16(payload + TINYOPS_LINK_PART_PIECE_INDEX_AT);
  const uint8_t *data = payload + TINYOPS_LINK_PART_PIECE_SIZE;
  if (index >= in->pieces) {
    return TINYOPS_PIECES_NOTHING;
  }
  const uint32_t is_last = index + 1 == in->pieces;
  const uint32_t count = smaller(PIECE, in->message.bytes - index * PIECE);
  if (bytes != TINYOPS_LINK_PART_PIECE_SIZE + count + (is_last ? CRC : 0u) ||
      has(in->came, index) != 0) {
    return TINYOPS_PIECES_NOTHING;
  }
  tinyops_message_write(&in->message, index * PIECE, data, count);
  if (is_last) {
    in->crc = tinyops_get32(data + count);
  }
  set_bit(in->came, index);
  in->have++;
  in->asks = 0;
  in->heard_ms = now_ms;
  if (in->have == in->pieces) {
    return judge(in);
  }
  return is_last ? TINYOPS_PIECES_ASK : TINYOPS_PIECES_NOTHING;
}

tinyops_pieces_event tinyops_pieces_take(tinyops_pieces_in *in, uint8_t sequence,
                                         const uint8_t *payload, uint32_t bytes, uint32_t now_ms) {
  if (bytes < TINYOPS_LINK_PART_PIECE_SIZE || in->whole != 0 || in->pieces == 0) {
    return TINYOPS_PIECES_NOTHING;
  }
  if (in->open == 0 && in->taken != 0 && sequence == (uint8_t)in->number) {
    return TINYOPS_PIECES_AGAIN;
  }
  if (belongs(in, sequence, now_ms) == 0) {
    return TINYOPS_PIECES_NOTHING;
  }
  if (bytes == TINYOPS_LINK_PART_PIECE_SIZE) {
    return TINYOPS_PIECES_ASK;
  }
  const tinyops_pieces_event event = keep(in, payload, bytes, now_ms);
  if (event == TINYOPS_PIECES_LOST) {
    tinyops_pieces_done(in);
  }
  return event;
}

tinyops_pieces_event tinyops_pieces_wait(tinyops_pieces_in *in, uint32_t now_ms,
                                         uint32_t quiet_ms) {
  if (in->open == 0 || in->whole != 0 || now_ms - in->heard_ms < quiet_ms) {
    return TINYOPS_PIECES_NOTHING;
  }
  in->heard_ms = now_ms;
  in->asks++;
  if (in->asks <= ASKS_MAX) {
    return TINYOPS_PIECES_ASK;
  }
  tinyops_pieces_done(in);
  return TINYOPS_PIECES_LOST;
}

uint32_t tinyops_pieces_ask(const tinyops_pieces_in *in, uint8_t *payload) {
  uint32_t bytes = 0;
  for (uint32_t at = 0; at < in->pieces && bytes < RANGE * TINYOPS_PART_RANGES_MAX;) {
    uint32_t first = at;
    while (at < in->pieces && has(in->came, at) == 0) {
      at++;
    }
    if (at > first) {
      tinyops_put16(payload + bytes, first);
      tinyops_put16(payload + bytes + 2, at - first);
      bytes += RANGE;
    }
    at++;
  }
  return bytes;
}

void tinyops_pieces_done(tinyops_pieces_in *in) {
  in->open = 0;
  in->whole = 0;
  in->taken = 1;
}
