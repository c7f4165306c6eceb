/* Serving the link of a collector: one request a frame, answered before the next one is read. */
#include "tinyops/collect.h"

#include "tinyops/little_endian.h"

enum { TYPE_AT = 0, SEQUENCE_AT = 1, PAYLOAD_AT = 2, POLL_BYTES = 512, CONTRACT_BYTES = 32 };

/* A request as it lies in the decoder. */
typedef struct {
  uint8_t type;
  uint8_t sequence;
  const uint8_t *payload;
  uint32_t bytes; /* of the payload */
} request;

static uint8_t *payload_of(tinyops_collect *self) { return self->reply + PAYLOAD_AT; }

static void send(tinyops_collect *self, uint32_t type, uint32_t sequence, uint32_t bytes) {
  self->reply[TYPE_AT] = (uint8_t)type;
  self->reply[SEQUENCE_AT] = (uint8_t)sequence;
  tinyops_app_send(self->board->port, self->reply, PAYLOAD_AT + bytes);
}

static void answer(tinyops_collect *self, const request *asked, uint32_t bytes) {
  send(self, asked->type | TINYOPS_LINK_ANSWER, asked->sequence, bytes);
}

static void refuse(tinyops_collect *self, uint32_t sequence, int32_t status) {
  payload_of(self)[TINYOPS_LINK_ERROR_REPLY_STATUS_AT] = (uint8_t)status;
  send(self, TINYOPS_LINK_ERROR, sequence, TINYOPS_LINK_ERROR_REPLY_SIZE);
}

/* What belongs to models is zero. */
static void say_hello(tinyops_collect *self, const request *asked) {
  const tinyops_collect_board *board = self->board;
  uint8_t *out = payload_of(self);
  uint32_t bytes = TINYOPS_LINK_HELLO_REPLY_SIZE;
  for (uint32_t i = 0; i < bytes; i++) {
    out[i] = 0;
  }
  out[TINYOPS_LINK_HELLO_REPLY_LINK_AT] = TINYOPS_LINK_VERSION;
  out[TINYOPS_LINK_HELLO_REPLY_STATE_AT] = (uint8_t)TINYOPS_LINK_ERR_ABSENT;
  for (uint32_t i = 0; i < CONTRACT_BYTES; i++) {
    out[TINYOPS_LINK_HELLO_REPLY_CONTRACT_AT + i] = board->contract[i];
  }
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_FRAME_VALUES_AT, board->frame_values);
  for (uint32_t i = 0; i < TINYOPS_LINK_BOARD_NAME_MAX && board->name[i] != 0; i++) {
    out[bytes++] = (uint8_t)board->name[i];
  }
  answer(self, asked, bytes);
}

static void tell_stats(tinyops_collect *self, const request *asked) {
  const tinyops_port *port = self->board->port;
  tinyops_port_memory memory = {0, 0, 0};
  uint8_t *out = payload_of(self);
  port->measure(port->context, &memory);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_STACK_USED_AT, memory.stack_used);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_STACK_BYTES_AT, memory.stack_bytes);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_STATIC_BYTES_AT, memory.static_bytes);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_INFERENCES_AT, 0);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_BAD_FRAMES_AT, self->decoder.bad_frames);
  answer(self, asked, TINYOPS_LINK_STATS_REPLY_SIZE);
}

/* A take that is under way ends here: whoever asks again wants another one. */
static void start(tinyops_collect *self, const request *asked) {
  const uint8_t *payload = asked->payload;
  uint8_t *out = payload_of(self);
  uint32_t rate = tinyops_get32(payload + TINYOPS_LINK_COLLECT_START_REQUEST_RATE_MILLIHZ_AT);
  rate = rate == 0 ? self->board->rate_millihz : rate;
  const int32_t status = tinyops_collect_start(self, rate);
  if (status < 0) {
    refuse(self, asked->sequence, status);
    return;
  }
  self->take = payload[TINYOPS_LINK_COLLECT_START_REQUEST_TAKE_AT];
  self->asked = asked->sequence;
  tinyops_put32(out + TINYOPS_LINK_COLLECT_START_REPLY_RATE_MILLIHZ_AT, rate);
  tinyops_put32(out + TINYOPS_LINK_COLLECT_START_REPLY_FRAME_VALUES_AT, self->board->frame_values);
  answer(self, asked, TINYOPS_LINK_COLLECT_START_REPLY_SIZE);
}

/* At rest it answers what the last take came to, so that the question can be repeated. */
static void stop(tinyops_collect *self, const request *asked) {
  uint8_t *out = payload_of(self);
  tinyops_collect_stop(self);
  tinyops_put32(out + TINYOPS_LINK_COLLECT_STOP_REPLY_FRAMES_AT, self->taken + self->missed);
  tinyops_put32(out + TINYOPS_LINK_COLLECT_STOP_REPLY_MISSED_AT, self->missed);
  answer(self, asked, TINYOPS_LINK_COLLECT_STOP_REPLY_SIZE);
}

/* Forgets a take, and what waits of it. */
static void reset_state(tinyops_collect *self, const request *asked) {
  self->state = TINYOPS_COLLECT_RESTS;
  self->waiting = 0;
  answer(self, asked, 0);
}

static uint32_t bytes_of(uint8_t type) {
  return type == TINYOPS_LINK_COLLECT_START ? TINYOPS_LINK_COLLECT_START_REQUEST_SIZE : 0;
}

static void serve(tinyops_collect *self, const request *asked) {
  typedef void (*serve_fn)(tinyops_collect *, const request *);
  serve_fn found = 0;
  switch (asked->type) {
    case TINYOPS_LINK_HELLO:
      found = say_hello;
      break;
    case TINYOPS_LINK_STATS:
      found = tell_stats;
      break;
    case TINYOPS_LINK_RESET_STATE:
      found = reset_state;
      break;
    case TINYOPS_LINK_COLLECT_START:
      found = start;
      break;
    case TINYOPS_LINK_COLLECT_STOP:
      found = stop;
      break;
    default:
      break;
  }
  if (found == 0) {
    refuse(self, asked->sequence, TINYOPS_LINK_ERR_TYPE);
  } else if (asked->bytes != bytes_of(asked->type)) {
    refuse(self, asked->sequence, TINYOPS_LINK_ERR_REQUEST);
  } else {
    found(self, asked);
  }
}

void tinyops_collect_init(tinyops_collect *self, const tinyops_collect_board *board) {
  *self = (tinyops_collect){.board = board};
  (void)tinyops_kept_start(board->port);
}

static int32_t poll_line(tinyops_collect *self) {
  const tinyops_port *port = self->board->port;
  for (uint32_t taken = 0; taken < POLL_BYTES; taken++) {
    const int32_t byte = port->read_byte(port->context);
    if (byte == TINYOPS_PORT_NO_BYTE) {
      return taken > 0;
    }
    const uint32_t bytes = tinyops_app_decode(&self->decoder, (uint8_t)byte);
    if (bytes > 0) {
      const uint8_t *frame = self->decoder.frame;
      const request asked = {frame[TYPE_AT], frame[SEQUENCE_AT], frame + PAYLOAD_AT,
                             bytes - PAYLOAD_AT};
      serve(self, &asked);
      return 1;
    }
  }
  return 1;
}

int32_t tinyops_collect_poll(tinyops_collect *self) {
  const tinyops_port *port = self->board->port;
  if (port->feed_watchdog != 0) {
    port->feed_watchdog(port->context);
  }
  int32_t busy = poll_line(self);
  if (self->state != TINYOPS_COLLECT_RESTS) {
    const int32_t status = tinyops_collect_frames(self);
    if (status < 0) {
      refuse(self, self->asked, status);
    }
    busy |= status != 0;
  }
  return busy;
}
