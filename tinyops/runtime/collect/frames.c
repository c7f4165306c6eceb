/* From the sensor to SAMPLES reports.
 *
 *   RESTS  -start-> RUNS
 *   RUNS   a frame is taken, joins those that wait, and they are sent when no further one has room,
 *          when the next one does not follow the last, or when they have waited for FLUSH_MS
 *   RUNS   -a frame that fills more than one report-> PIECES, one piece a poll -the last one-> RUNS
 *   either -stop, or a sensor that fails-> RESTS
 *
 * A frame's number is how many were taken and lost before it. So whatever makes the line wait, the
 * sensor's own count of what it could not keep shows as a gap exactly where it is. */
#include "tinyops/collect.h"
#include "tinyops/little_endian.h"

enum { PAYLOAD_AT = 2, VALUE_BYTES = 2, FLUSH_MS = 50, TAKE_MAX = 128 };

static uint32_t values_max(void) { return TINYOPS_LINK_DATA_MAX / VALUE_BYTES; }

static uint32_t now_of(const tinyops_collect *self) {
  const tinyops_port *port = self->board->port;
  return port->now_ms != 0 ? port->now_ms(port->context) : 0;
}

static uint8_t *values_of(tinyops_collect *self) {
  return self->report + PAYLOAD_AT + TINYOPS_LINK_SAMPLES_REPLY_SIZE;
}

static void put_values(uint8_t *to, const int16_t *values, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    tinyops_put16(to + VALUE_BYTES * i, (uint16_t)values[i]);
  }
}

/* Sends `count` values that lie in the report: from value `at` of frame number `frame` on. */
static void send_values(tinyops_collect *self, uint32_t frame, uint32_t at, uint32_t count) {
  uint8_t *payload = self->report + PAYLOAD_AT;
  self->report[0] = TINYOPS_LINK_SAMPLES;
  self->report[1] = self->sequence++;
  payload[TINYOPS_LINK_SAMPLES_REPLY_TAKE_AT] = self->take;
  tinyops_put32(payload + TINYOPS_LINK_SAMPLES_REPLY_FRAME_AT, frame);
  tinyops_put32(payload + TINYOPS_LINK_SAMPLES_REPLY_VALUE_AT, at);
  tinyops_put32(payload + TINYOPS_LINK_SAMPLES_REPLY_CLOCK_MS_AT, self->clock_ms);
  tinyops_app_send(self->board->port, self->report,
                   PAYLOAD_AT + TINYOPS_LINK_SAMPLES_REPLY_SIZE + VALUE_BYTES * count);
}

static void send_waiting(tinyops_collect *self) {
  if (self->waiting > 0) {
    send_values(self, self->first, 0, self->waiting * self->board->frame_values);
    self->waiting = 0;
  }
}

static void send_piece(tinyops_collect *self) {
  const uint32_t left = self->board->frame_values - self->piece_at;
  const uint32_t count = left < values_max() ? left : values_max();
  put_values(values_of(self), self->board->frame + self->piece_at, count);
  send_values(self, self->first, self->piece_at, count);
  self->piece_at += count;
  if (self->piece_at == self->board->frame_values) {
    self->state = TINYOPS_COLLECT_RUNS;
  }
}

/* The sensor may have lost frames before this one, never after it. */
static uint32_t number_of_new(tinyops_collect *self) {
  const tinyops_port *port = self->board->port;
  const uint32_t missed = port->sensor->missed(port->context) - self->missed_base;
  if ((int32_t)(missed - self->missed) > 0) {
    self->missed = missed;
  }
  return self->taken++ + self->missed;
}

static void begin_pieces(tinyops_collect *self, uint32_t number) {
  self->first = number;
  self->piece_at = 0;
  self->state = TINYOPS_COLLECT_PIECES;
}

/* Returns 1 when a report was sent. */
static int32_t add(tinyops_collect *self, uint32_t number) {
  const uint32_t size = self->board->frame_values;
  int32_t sent = 0;
  if (self->waiting > 0 && number != self->first + self->waiting) {
    send_waiting(self);
    sent = 1;
  }
  self->clock_ms = now_of(self);
  if (self->waiting == 0) {
    self->first = number;
    self->oldest_ms = self->clock_ms;
  }
  put_values(values_of(self) + VALUE_BYTES * size * self->waiting, self->board->frame, size);
  self->waiting++;
  if ((self->waiting + 1) * size > values_max()) {
    send_waiting(self);
    sent = 1;
  }
  return sent;
}

/* What waits has waited long enough; without a clock it never waits. */
static int32_t is_due(const tinyops_collect *self) {
  return self->waiting > 0 &&
         (self->board->port->now_ms == 0 || now_of(self) - self->oldest_ms >= FLUSH_MS);
}

int32_t tinyops_collect_frames(tinyops_collect *self) {
  const tinyops_port *port = self->board->port;
  if (self->state == TINYOPS_COLLECT_PIECES) {
    send_piece(self);
    return 1;
  }
  int32_t sent = 0, taken = 0;
  while (sent == 0 && taken < TAKE_MAX && self->state == TINYOPS_COLLECT_RUNS) {
    const int32_t got =
        port->sensor->poll(port->context, self->board->frame, self->board->frame_values);
    if (got < 0) {
      tinyops_collect_stop(self);
      return TINYOPS_LINK_ERR_SENSOR;
    }
    if (got == 0) {
      break;
    }
    taken++;
    const uint32_t number = number_of_new(self);
    if (self->board->frame_values > values_max()) {
      self->clock_ms = now_of(self);
      begin_pieces(self, number);
    } else {
      sent = add(self, number);
    }
  }
  if (sent == 0 && is_due(self)) {
    send_waiting(self);
    sent = 1;
  }
  return taken > 0 || sent != 0;
}

int32_t tinyops_collect_start(tinyops_collect *self, uint32_t rate_millihz) {
  const tinyops_port *port = self->board->port;
  self->state = TINYOPS_COLLECT_RESTS;
  self->waiting = 0;
  self->taken = 0;
  self->missed = 0;
  if (port->sensor == 0) {
    return TINYOPS_LINK_ERR_NO_SENSOR;
  }
  if (self->board->frame_values == 0 || port->sensor->start(port->context, rate_millihz) < 0) {
    return TINYOPS_LINK_ERR_SENSOR;
  }
  self->missed_base = port->sensor->missed(port->context);
  self->state = TINYOPS_COLLECT_RUNS;
  return 0;
}

void tinyops_collect_stop(tinyops_collect *self) {
  send_waiting(self);
  if (self->state == TINYOPS_COLLECT_PIECES) {
    self->taken--; /* the host cannot use it */
    self->missed++;
  }
  self->state = TINYOPS_COLLECT_RESTS;
}
