/* What a part says: to the part before, to the part after, to the host of the last one. */
#include "part.h"
#include "tinyops/crc32.h"
#include "tinyops/little_endian.h"

/* The line without the 0x00 that begins a frame: the one that ended the piece before stands for it.
 */
typedef struct {
  const tinyops_port *port;
  uint32_t skip;
} shortened;

static void write_shortened(void *context, const uint8_t *bytes, uint32_t count) {
  shortened *self = (shortened *)context;
  const uint32_t skipped = count < self->skip ? count : self->skip;
  self->skip -= skipped;
  self->port->write(self->port->context, bytes + skipped, count - skipped);
}

void tinyops_part_send_down(tinyops_part *part, uint8_t *frame, uint32_t length) {
  shortened line = {part->app.board->port, part->opened != 0};
  const tinyops_port port = {.context = &line, .write = write_shortened};
  tinyops_app_send(&port, frame, length);
  part->opened = 1;
}

static void send_up(tinyops_part *part, uint8_t *frame, uint32_t length) {
  const tinyops_port *board = part->app.board->port;
  if (board->upstream != 0) {
    const tinyops_port port = {.context = board->context, .write = board->upstream->write};
    tinyops_app_send(&port, frame, length);
  }
}

/* Says that an inference has no result, and why. The last part tells its host, and the network. */
void tinyops_part_say_unavailable(tinyops_part *part, uint32_t number, tinyops_part_standing why) {
  const tinyops_port *port = part->app.board->port;
  uint8_t *frame = part->app.reply, *payload = frame + HEAD;
  frame[TYPE_AT] = TINYOPS_LINK_PART_UNAVAILABLE;
  frame[SEQUENCE_AT] = (uint8_t)number;
  tinyops_put32(payload + TINYOPS_LINK_PART_UNAVAILABLE_NUMBER_AT, number);
  payload[TINYOPS_LINK_PART_UNAVAILABLE_PART_AT] = why.part;
  payload[TINYOPS_LINK_PART_UNAVAILABLE_STATE_AT] = why.state;
  if (tinyops_part_is_last(part) && port->network != 0) {
    (void)port->network->send(port->context, frame, HEAD + TINYOPS_LINK_PART_UNAVAILABLE_SIZE);
  }
  tinyops_part_send_down(part, frame, HEAD + TINYOPS_LINK_PART_UNAVAILABLE_SIZE);
}

void tinyops_part_miss(tinyops_part *part, uint32_t number, tinyops_part_standing why) {
  part->missed++;
  tinyops_part_say_unavailable(part, number, why);
}

/* MISSING: ranges of what comes, or none for a message that was taken. */
void tinyops_part_send_missing(tinyops_part *part, int32_t whole) {
  uint8_t *frame = part->app.reply;
  frame[TYPE_AT] = TINYOPS_LINK_PART_MISSING;
  frame[SEQUENCE_AT] = (uint8_t)part->inlet->in.number;
  const uint32_t bytes = whole != 0 ? 0 : tinyops_pieces_ask(&part->inlet->in, frame + HEAD);
  if (whole != 0 || bytes > 0) {
    send_up(part, frame, HEAD + bytes);
  }
}

/* What was taken last, for a part before whose last answer was lost; what comes has not been. */
static uint8_t taken(const tinyops_part *part) {
  const tinyops_pieces_in *in = &part->inlet->in;
  return (uint8_t)(in->taken != 0 && part->acknowledges == 0 ? in->number : in->number - 1u);
}

static void tell_one(tinyops_part *part, tinyops_part_standing beyond, uint32_t side) {
  uint8_t *frame = part->app.reply, *payload = frame + HEAD;
  frame[TYPE_AT] = TINYOPS_LINK_PART_STATE;
  frame[SEQUENCE_AT] = side == 0 && !tinyops_part_is_first(part) ? taken(part) : 0;
  tinyops_part_describe(part, beyond, payload);
  if (side == 0) {
    send_up(part, frame, HEAD + TINYOPS_LINK_PART_STATE_SIZE);
  } else {
    tinyops_part_send_down(part, frame, HEAD + TINYOPS_LINK_PART_STATE_SIZE);
  }
}

/* What a neighbour is told, but for the number, which pieces tell too. */
static uint32_t digest(const tinyops_part *part, tinyops_part_standing beyond) {
  uint8_t payload[TINYOPS_LINK_PART_STATE_SIZE];
  tinyops_part_describe(part, beyond, payload);
  tinyops_put32(payload + TINYOPS_LINK_PART_STATE_NUMBER_AT, 0);
  return tinyops_crc32_more(TINYOPS_CRC32_START, payload, sizeof(payload));
}

static uint32_t tell_every(const tinyops_part *part) {
  return part->after_ms / 3u < TELL_MS ? part->after_ms / 3u : TELL_MS;
}

int32_t tinyops_part_tell(tinyops_part *part) {
  const uint32_t now = tinyops_part_now(part);
  /* The part before hears of what lies after, and the other way round. */
  const tinyops_part_standing beyond[2] = {tinyops_part_of_after(part, now),
                                           tinyops_part_of_before(part, now)};
  const int32_t due = now - part->told_ms >= tell_every(part);
  int32_t told = 0;
  for (uint32_t side = 0; side < 2; side++) {
    const uint32_t crc = digest(part, beyond[side]);
    if (due != 0 || crc != part->told_crc[side]) {
      tell_one(part, beyond[side], side);
      part->told_crc[side] = crc;
      told = 1;
    }
  }
  part->told_ms = due != 0 ? now : part->told_ms;
  return told;
}

/* The host of the last part learns that there are no results, when that begins and while it lasts.
 */
int32_t tinyops_part_report(tinyops_part *part) {
  if (!tinyops_part_is_last(part)) {
    return 0;
  }
  const uint32_t now = tinyops_part_now(part);
  const tinyops_part_standing standing = tinyops_part_stands(part);
  const int32_t due = part->was_ready != 0 || now - part->unavailable_ms >= TELL_MS;
  part->was_ready = tinyops_part_is_ready(standing) != 0;
  if (part->was_ready != 0 || due == 0 || standing.state == TINYOPS_PART_STARTING) {
    return 0;
  }
  part->unavailable_ms = now;
  tinyops_part_say_unavailable(part, part->number, standing);
  return 1;
}
