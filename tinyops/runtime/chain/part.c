/* The loop of a part; chain.h draws its states. */
#include "part.h"

#include "tinyops/little_endian.h"

enum {
  POLL_BYTES = 512,
  AFTER_LEAST_MS = 100, /* less is no time limit for a serial line */
  LIMITS_A_MESSAGE = 4  /* a message may take longer than a neighbour may be silent: it computes */
};

static tinyops_part *part_of(tinyops_app *app) { return (tinyops_part *)(void *)app; }

/* Whether this part, or what lies around it, can compute now; who cannot, else. */
tinyops_part_standing tinyops_part_stands(tinyops_part *part) {
  const uint32_t now = tinyops_part_now(part);
  if (part->model == 0) {
    return (tinyops_part_standing){TINYOPS_PART_IMAGE, part->place->position};
  }
  const tinyops_part_standing before = tinyops_part_of_before(part, now);
  return tinyops_part_is_ready(before) ? tinyops_part_of_after(part, now) : before;
}

/* -- what comes -- */

/* Numbers go on where the chain has them: those of a part that has started again begin behind. */
static void catch_up(tinyops_part *part, const tinyops_neighbour *neighbour) {
  const uint32_t told = tinyops_get32(neighbour->told + TINYOPS_LINK_PART_STATE_NUMBER_AT);
  if (neighbour == &part->after && part->place->position == 0 &&
      told - part->number < 0x80000000u) {
    part->number = told;
  }
  if (neighbour != &part->after && part->inlet->in.open == 0 &&
      told - part->inlet->in.number >= 0x80u) {
    part->number = told;
    if (part->model != 0) {
      const tinyops_message takes = tinyops_part_takes(part);
      tinyops_pieces_await(&part->inlet->in, &takes, part->model->set, told);
    }
  }
}

int32_t tinyops_part_take(tinyops_app *app, const uint8_t *frame, uint32_t bytes) {
  tinyops_part *part = part_of(app);
  const uint8_t *payload = frame + HEAD;
  const uint32_t now = tinyops_part_now(part);
  if (frame[TYPE_AT] == TINYOPS_LINK_PART_STATE) {
    if (tinyops_neighbour_take(&part->after, payload, bytes - HEAD, now) != 0) {
      catch_up(part, &part->after);
      tinyops_pieces_told(&part->out, frame[SEQUENCE_AT],
                          tinyops_get32(payload + TINYOPS_LINK_PART_STATE_NUMBER_AT));
    }
    return 1;
  }
  if (frame[TYPE_AT] == TINYOPS_LINK_PART_MISSING) {
    part->after.heard_ms = part->after.heard != 0 ? now : part->after.heard_ms;
    (void)tinyops_pieces_missing(&part->out, frame[SEQUENCE_AT], payload, bytes - HEAD);
    return 1;
  }
  return 0;
}

/* An inference that the parts before have given up. */
static void take_unavailable(tinyops_part *part, const uint8_t *payload, uint32_t bytes) {
  if (bytes != TINYOPS_LINK_PART_UNAVAILABLE_SIZE) {
    return;
  }
  const uint32_t number = tinyops_get32(payload + TINYOPS_LINK_PART_UNAVAILABLE_NUMBER_AT);
  if (part->inlet->in.whole == 0 && number - part->inlet->in.number < 0x80000000u) {
    part->inlet->in.number = number;
    part->number = number;
    tinyops_pieces_done(&part->inlet->in);
  }
  tinyops_part_miss(part, number,
                    (tinyops_part_standing){payload[TINYOPS_LINK_PART_UNAVAILABLE_STATE_AT],
                                            payload[TINYOPS_LINK_PART_UNAVAILABLE_PART_AT]});
}

/* Of a message that comes, and does not get through. */
static void act_on(tinyops_part *part, tinyops_pieces_event event) {
  if (event == TINYOPS_PIECES_ASK) {
    tinyops_part_send_missing(part, 0);
  } else if (event == TINYOPS_PIECES_AGAIN && part->acknowledges == 0) {
    tinyops_part_send_missing(part, 1);
  } else if (event == TINYOPS_PIECES_LOST) {
    tinyops_part_miss(part, part->inlet->in.number,
                      (tinyops_part_standing){TINYOPS_PART_STALLED, part->place->position});
  }
}

static void take_from_before(tinyops_part *part, uint32_t bytes) {
  const uint8_t *frame = part->inlet->decoder.frame, *payload = frame + HEAD;
  const uint32_t now = tinyops_part_now(part);
  part->inlet->before.heard_ms =
      part->inlet->before.heard != 0 ? now : part->inlet->before.heard_ms;
  switch (frame[TYPE_AT]) {
    case TINYOPS_LINK_PART_STATE:
      if (tinyops_neighbour_take(&part->inlet->before, payload, bytes - HEAD, now) != 0) {
        catch_up(part, &part->inlet->before);
      }
      break;
    case TINYOPS_LINK_PART_PIECE:
      /* Before both have told the same set nothing is taken, and while the arena holds what is to
       * be sent nothing can be: it will be asked for. */
      if (tinyops_part_is_ready(tinyops_part_of_before(part, now)) && part->acknowledges == 0 &&
          (part->out.active == 0 || part->out.message.tensors == 0)) {
        act_on(part, tinyops_pieces_take(&part->inlet->in, frame[SEQUENCE_AT], payload,
                                         bytes - HEAD, now));
      }
      break;
    case TINYOPS_LINK_PART_UNAVAILABLE:
      take_unavailable(part, payload, bytes - HEAD);
      break;
    default:
      break; /* the line's own: answers, reports */
  }
}

static int32_t listen(tinyops_part *part) {
  const tinyops_port *port = part->app.board->port;
  if (tinyops_part_is_first(part) || port->upstream == 0) {
    return 0;
  }
  for (uint32_t taken = 0; taken < POLL_BYTES; taken++) {
    const int32_t byte = port->upstream->read_byte(port->context);
    if (byte == TINYOPS_PORT_NO_BYTE) {
      return taken > 0;
    }
    const uint32_t bytes = tinyops_app_decode(&part->inlet->decoder, (uint8_t)byte);
    if (bytes > 0) {
      take_from_before(part, bytes);
      return 1;
    }
  }
  return 1;
}

/* -- an inference -- */

/* What has come is computed, once what was made before is on its way. */
static int32_t compute(tinyops_part *part) {
  if (tinyops_part_is_first(part) || part->inlet->in.whole == 0 || part->out.active != 0) {
    return 0;
  }
  const uint32_t number = part->inlet->in.number;
  const tinyops_part_standing standing = tinyops_part_stands(part);
  part->number = number;
  if (tinyops_part_is_ready(standing)) {
    part->app.result_index = number;
    const int32_t status = tinyops_app_infer_part(&part->app);
    if (status != TINYOPS_OK) {
      tinyops_part_miss(part, number,
                        (tinyops_part_standing){TINYOPS_PART_FAILED, part->place->position});
    }
  } else {
    tinyops_part_miss(part, number, standing);
  }
  tinyops_pieces_done(&part->inlet->in);
  part->acknowledges = 1;
  return 1;
}

/* The part before may send the next one when this one can take it. */
static int32_t acknowledge(tinyops_part *part) {
  if (part->acknowledges == 0 || tinyops_part_is_busy(&part->app) != 0) {
    return 0;
  }
  part->acknowledges = 0;
  tinyops_part_send_missing(part, 1);
  return 1;
}

/* Outputs go on their way, from where they lie or, where there is room, from a copy: then the next
 * inference need not wait. */
static void pass_on(tinyops_part *part) {
  tinyops_message message = tinyops_part_gives_from(part);
  uint8_t *room = 0;
  if (tinyops_part_room(part, &room) >= message.bytes) {
    tinyops_message_read(&message, 0, room, message.bytes);
    message = (tinyops_message){.bytes = message.bytes, .arena = room};
  }
  tinyops_pieces_begin(&part->out, &message, part->model->set, part->number,
                       tinyops_part_now(part));
}

static int32_t send_piece(tinyops_part *part) {
  const uint32_t now = tinyops_part_now(part);
  if (part->out.active == 0) {
    return 0;
  }
  const tinyops_part_standing after = tinyops_part_of_after(part, now);
  const int32_t late = now - part->out.begun_ms >= LIMITS_A_MESSAGE * part->after_ms;
  if (!tinyops_part_is_ready(after) || late != 0) {
    part->out.active = 0;
    tinyops_part_miss(
        part, part->out.number,
        tinyops_part_is_ready(after)
            ? (tinyops_part_standing){TINYOPS_PART_STALLED, (uint8_t)(part->place->position + 1u)}
            : after);
    return 1;
  }
  const uint32_t length = tinyops_pieces_next(&part->out, part->app.reply);
  if (length > 0) {
    tinyops_part_send_down(part, part->app.reply, length);
  }
  return length > 0;
}

/* -- what the application asks -- */

/* A message on its way is given up. All of it was sent: then the part after has it, or misses it.
 */
static void drop(tinyops_part *part) {
  part->out.active = 0;
  if (part->out.left > 0) {
    tinyops_part_miss(part, part->out.number,
                      (tinyops_part_standing){TINYOPS_PART_BUSY, part->place->position});
  }
}

int32_t tinyops_part_is_busy(const tinyops_app *app) {
  const tinyops_part *part = (const tinyops_part *)(const void *)app;
  return (part->out.active != 0 && part->out.message.tensors != 0) ||
         (!tinyops_part_is_first(part) && part->inlet->in.open != 0);
}

void tinyops_part_yield(tinyops_app *app) {
  tinyops_part *part = part_of(app);
  if (part->out.active != 0 && part->out.message.tensors != 0) {
    part->out.active = 0;
    tinyops_part_miss(part, part->out.number,
                      (tinyops_part_standing){TINYOPS_PART_BUSY, part->place->position});
  }
  if (!tinyops_part_is_first(part) && part->inlet->in.open != 0) {
    const uint32_t number = part->inlet->in.number;
    tinyops_pieces_done(&part->inlet->in);
    part->acknowledges = 1;
    tinyops_part_miss(part, number,
                      (tinyops_part_standing){TINYOPS_PART_BUSY, part->place->position});
  }
}

/* A first part whose host is none of a chain, and feeds it itself: to be proven by itself. */
static int32_t is_alone(const tinyops_part *part) {
  return part->place->position == 0 && part->after.known == 0 &&
         part->app.sensing != TINYOPS_SENSING_ON;
}

int32_t tinyops_part_refuses(tinyops_app *app) {
  tinyops_part *part = part_of(app);
  if (part->place->position > 0 || is_alone(part)) {
    return 0;
  }
  tinyops_part_standing standing = tinyops_part_stands(part);
  /* A host that feeds frames may have the answer before this part hears that its message came. */
  if (part->out.left == 0 && part->app.sensing != TINYOPS_SENSING_ON) {
    part->out.active = 0;
  }
  if (tinyops_part_is_ready(standing) && part->out.active != 0) {
    standing = (tinyops_part_standing){TINYOPS_PART_BUSY, (uint8_t)(part->place->position + 1u)};
  }
  if (tinyops_part_is_ready(standing)) {
    return 0;
  }
  /* What is on its way has a number below this one's: so it must not be told before that. */
  if (part->out.active == 0) {
    tinyops_part_miss(part, ++part->number, standing);
  } else {
    part->missed++;
  }
  return 1;
}

void tinyops_part_hold(tinyops_app *app) {
  tinyops_part *part = part_of(app);
  if (part->place->position == 0 && part->model != 0) {
    const tinyops_message takes = tinyops_part_takes(part);
    tinyops_message_hold(&takes);
  }
}

int32_t tinyops_part_gives(tinyops_app *app) {
  tinyops_part *part = part_of(app);
  if (tinyops_part_is_last(part) || is_alone(part) || part->model == 0) {
    return 0;
  }
  if (part->place->position == 0) {
    part->number++;
  }
  pass_on(part);
  return 1;
}

void tinyops_part_invoked(tinyops_app *app) {
  tinyops_part *part = part_of(app);
  if (!tinyops_part_is_first(part) || is_alone(part)) {
    return;
  }
  const tinyops_part_standing standing = tinyops_part_stands(part);
  if (part->out.active != 0) {
    drop(part);
  }
  if (tinyops_part_is_ready(standing)) {
    (void)tinyops_part_gives(app);
  } else { /* else whoever waits for the result would wait for ever */
    tinyops_part_miss(part, ++part->number, standing);
  }
}

/* -- the loop -- */

int32_t tinyops_part_init(tinyops_part *part, const tinyops_app_board *board,
                          const tinyops_part_place *place) {
  *part = (tinyops_part){.place = place, .inlet = place->inlet};
  part->after_ms = place->after_ms < AFTER_LEAST_MS ? AFTER_LEAST_MS : place->after_ms;
  part->sets.position = place->position;
  part->sets.parts = place->parts;
  const int32_t status = tinyops_app_init(&part->app, board);
  const uint32_t now = tinyops_part_now(part);
  if (!tinyops_part_is_first(part)) {
    *place->inlet = (tinyops_part_inlet){.before = {.heard_ms = now}};
  }
  part->after.heard_ms = now;
  part->told_ms = now - TELL_MS;
  tinyops_part_refresh(part);
  return status;
}

int32_t tinyops_part_poll(tinyops_part *part) {
  int32_t did = tinyops_app_poll(&part->app);
  if (did != 0) {
    part->opened = 0;
  }
  if (part->loads != part->app.loads) {
    tinyops_part_refresh(part);
  }
  did |= listen(part);
  if (!tinyops_part_is_first(part)) {
    act_on(part, tinyops_pieces_wait(&part->inlet->in, tinyops_part_now(part),
                                     part->after_ms / ASKS_A_LIMIT));
  }
  did |= compute(part);
  did |= send_piece(part);
  did |= acknowledge(part);
  tinyops_part_change_sets(part);
  did |= tinyops_part_tell(part);
  did |= tinyops_part_report(part);
  return did;
}
