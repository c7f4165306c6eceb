/* Serving the link: one request a frame, answered before the next one is read. */
#include "tinyops/app.h"

#if defined(TINYOPS_PART) /* a part of a chain: see chain.h */
#include "tinyops/chain.h"
#endif
#include "tinyops/little_endian.h"

enum { TYPE_AT = 0, SEQUENCE_AT = 1, PAYLOAD_AT = 2 };

/* A request as it lies in the decoder. */
typedef struct {
  uint8_t type;
  uint8_t sequence;
  const uint8_t *payload;
  uint32_t bytes; /* of the payload */
} request;

static void copy(uint8_t *to, const uint8_t *from, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    to[i] = from[i];
  }
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static uint8_t *payload_of(tinyops_app *app) { return app->reply + PAYLOAD_AT; }

static void send(tinyops_app *app, uint32_t type, uint32_t sequence, uint32_t bytes) {
  app->reply[TYPE_AT] = (uint8_t)type;
  app->reply[SEQUENCE_AT] = (uint8_t)sequence;
  tinyops_app_send(app->board->port, app->reply, PAYLOAD_AT + bytes);
}

static void answer(tinyops_app *app, const request *asked, uint32_t bytes) {
  send(app, asked->type | TINYOPS_LINK_ANSWER, asked->sequence, bytes);
}

static void refuse(tinyops_app *app, const request *asked, int32_t status) {
  payload_of(app)[TINYOPS_LINK_ERROR_REPLY_STATUS_AT] = (uint8_t)status;
  send(app, TINYOPS_LINK_ERROR, asked->sequence, TINYOPS_LINK_ERROR_REPLY_SIZE);
}

static uint8_t *input_of(const tinyops_app *app) {
  return (uint8_t *)app->board->arena + app->model.header->input_offset;
}

static const uint8_t *output_of(const tinyops_app *app) {
  return (const uint8_t *)app->board->arena + app->model.header->output_offset;
}

static uint32_t append_name(uint8_t *to, const char *name) {
  uint32_t length = 0;
  while (length < TINYOPS_LINK_BOARD_NAME_MAX && name[length] != 0) {
    to[length] = (uint8_t)name[length];
    length++;
  }
  return length;
}

static void describe_model(const tinyops_app *app, uint8_t *out) {
  const tinyops_model_header *header = app->model.header;
  copy(out + TINYOPS_LINK_HELLO_REPLY_MODEL_CONTRACT_AT, header->contract, 32);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_IMAGE_BYTES_AT, header->image_bytes);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_IMAGE_CRC_AT, app->image_crc);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_ARENA_NEEDED_AT, header->arena_bytes);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_INPUT_BYTES_AT, header->input_bytes);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_OUTPUT_BYTES_AT, header->output_bytes);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_FRAME_VALUES_AT, header->frame_values);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_WINDOW_FRAMES_AT, header->window_frames);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_HOP_FRAMES_AT, header->hop_frames);
}

static void say_hello(tinyops_app *app, const request *asked) {
  uint8_t *out = payload_of(app);
  for (uint32_t i = 0; i < TINYOPS_LINK_HELLO_REPLY_SIZE; i++) {
    out[i] = 0;
  }
  out[TINYOPS_LINK_HELLO_REPLY_LINK_AT] = TINYOPS_LINK_VERSION;
  out[TINYOPS_LINK_HELLO_REPLY_STATE_AT] = (uint8_t)app->state;
  tinyops_put16(out + TINYOPS_LINK_HELLO_REPLY_ABI_AT, TINYOPS_MODEL_ABI);
  copy(out + TINYOPS_LINK_HELLO_REPLY_CONTRACT_AT, app->board->contract, 32);
  tinyops_put32(out + TINYOPS_LINK_HELLO_REPLY_ARENA_BYTES_AT, app->board->arena_bytes);
  if (app->model.header != 0) {
    describe_model(app, out);
  }
  uint32_t name = append_name(out + TINYOPS_LINK_HELLO_REPLY_SIZE, app->board->name);
  answer(app, asked, TINYOPS_LINK_HELLO_REPLY_SIZE + name);
}

uint32_t tinyops_app_best(const tinyops_app *app) {
  const uint8_t *outputs = output_of(app);
  uint32_t best = 0;
  for (uint32_t i = 1; i < app->model.header->output_bytes; i++) {
    if ((int8_t)outputs[i] > (int8_t)outputs[best]) {
      best = i;
    }
  }
  return best;
}

/* The report goes over the line and, without its framing, over the network. */
static void report_result(tinyops_app *app, uint32_t ticks, uint32_t best) {
  const tinyops_port *port = app->board->port;
  uint32_t outputs = app->model.header->output_bytes;
  uint32_t sent = smaller(outputs, TINYOPS_LINK_DATA_MAX);
  uint8_t *out = payload_of(app);
  tinyops_put32(out + TINYOPS_LINK_RESULT_REPLY_INDEX_AT, app->result_index);
  tinyops_put32(out + TINYOPS_LINK_RESULT_REPLY_TICKS_AT, ticks);
  tinyops_put16(out + TINYOPS_LINK_RESULT_REPLY_BEST_AT, best);
  tinyops_put16(out + TINYOPS_LINK_RESULT_REPLY_OUTPUTS_AT, smaller(outputs, UINT16_MAX));
  copy(out + TINYOPS_LINK_RESULT_REPLY_SIZE, output_of(app), sent);
  send(app, TINYOPS_LINK_RESULT, app->result_index, TINYOPS_LINK_RESULT_REPLY_SIZE + sent);
  if (port->network != 0) {
    (void)port->network->send(port->context, app->reply,
                              PAYLOAD_AT + TINYOPS_LINK_RESULT_REPLY_SIZE + sent);
  }
}

static void act(tinyops_app *app, uint32_t ticks) {
  const tinyops_port *port = app->board->port;
  const uint32_t best = tinyops_app_best(app);
  report_result(app, ticks, best);
  if (port->show != 0) {
    port->show(port->context, best, (const int8_t *)output_of(app),
               app->model.header->output_bytes);
  }
}

/* Ends what start_ticks began. Returns the ticks. */
static uint32_t stop(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  app->cycles = port->cycle_bits > 0 ? port->cycles(port->context) : 0;
  return port->ticks(port->context);
}

static int32_t conclude(tinyops_app *app, int32_t status) {
  uint32_t ticks = stop(app);
#if defined(TINYOPS_PART)
  if (status == TINYOPS_OK && tinyops_part_gives(app) != 0) {
    app->inferences++;
    return status;
  }
#endif
  if (status == TINYOPS_OK) {
    act(app, ticks);
    tinyops_app_count(app);
    app->result_index++;
  }
  return status;
}

int32_t tinyops_app_infer(tinyops_app *app) {
#if defined(TINYOPS_PART)
  if (tinyops_part_refuses(app) != 0) {
    return TINYOPS_OK;
  }
#endif
  const tinyops_port *port = app->board->port;
  port->start_ticks(port->context);
  int32_t status = app->model.prepare(app->board->arena);
  if (status == TINYOPS_OK) {
#if defined(TINYOPS_PART)
    tinyops_part_hold(app);
#endif
    status = app->model.invoke(app->board->arena);
  }
  return conclude(app, status);
}

#if defined(TINYOPS_PART)
int32_t tinyops_app_infer_part(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  port->start_ticks(port->context);
  return conclude(app, app->model.invoke(app->board->arena));
}
#endif

/* Takes the values of a piece; TINYOPS_DUE when the frame is whole. */
static int32_t gather(tinyops_app *app, const request *asked) {
  uint32_t frame_values = app->model.header->frame_values;
  const uint8_t *values = asked->payload + TINYOPS_LINK_SAMPLE_REQUEST_SIZE;
  uint32_t count = (asked->bytes - TINYOPS_LINK_SAMPLE_REQUEST_SIZE) / 2;
  uint32_t first = tinyops_get32(asked->payload + TINYOPS_LINK_SAMPLE_REQUEST_FIRST_AT);
  if (first > frame_values || count > frame_values - first) {
    return TINYOPS_LINK_ERR_RANGE;
  }
  if (first != 0 && first != app->frame_arrived) {
    return TINYOPS_LINK_ERR_ORDER;
  }
  for (uint32_t i = 0; i < count; i++) {
    app->board->frame[first + i] = (int16_t)tinyops_get16(values + 2 * i);
  }
  app->frame_arrived = first + count;
  return app->frame_arrived == frame_values ? TINYOPS_DUE : TINYOPS_OK;
}

static void take_sample(tinyops_app *app, const request *asked) {
  if (app->model.header->frame_values == 0) {
    refuse(app, asked, TINYOPS_ERR_UNSUPPORTED);
    return;
  }
  if (asked->bytes <= TINYOPS_LINK_SAMPLE_REQUEST_SIZE || asked->bytes % 2 != 0) {
    refuse(app, asked, TINYOPS_LINK_ERR_REQUEST);
    return;
  }
  int32_t status = gather(app, asked);
  int32_t due = 0;
  if (status == TINYOPS_DUE) {
    app->frame_arrived = 0;
    status = app->model.push(app->board->arena, app->board->frame);
    due = status == TINYOPS_DUE;
  }
  if (due != 0) {
    status = tinyops_app_infer(app);
  }
  if (status < 0) {
    refuse(app, asked, status);
    return;
  }
  payload_of(app)[TINYOPS_LINK_SAMPLE_REPLY_STATUS_AT] =
      (uint8_t)(due != 0 ? TINYOPS_DUE : TINYOPS_OK);
  answer(app, asked, TINYOPS_LINK_SAMPLE_REPLY_SIZE);
}

static void write_tensor(tinyops_app *app, const request *asked) {
  if (asked->bytes < TINYOPS_LINK_TENSOR_WRITE_REQUEST_SIZE) {
    refuse(app, asked, TINYOPS_LINK_ERR_REQUEST);
    return;
  }
  uint32_t offset = tinyops_get32(asked->payload + TINYOPS_LINK_TENSOR_WRITE_REQUEST_OFFSET_AT);
  uint32_t count = asked->bytes - TINYOPS_LINK_TENSOR_WRITE_REQUEST_SIZE;
  uint32_t room = app->model.header->input_bytes;
  if (offset > room || count > room - offset) {
    refuse(app, asked, TINYOPS_LINK_ERR_RANGE);
    return;
  }
  app->fed = 1;
  copy(input_of(app) + offset, asked->payload + TINYOPS_LINK_TENSOR_WRITE_REQUEST_SIZE, count);
  answer(app, asked, 0);
}

static void read_tensor(tinyops_app *app, const request *asked) {
  if (asked->bytes != TINYOPS_LINK_TENSOR_READ_REQUEST_SIZE) {
    refuse(app, asked, TINYOPS_LINK_ERR_REQUEST);
    return;
  }
  uint32_t tensor = asked->payload[TINYOPS_LINK_TENSOR_READ_REQUEST_TENSOR_AT];
  uint32_t offset = tinyops_get32(asked->payload + TINYOPS_LINK_TENSOR_READ_REQUEST_OFFSET_AT);
  uint32_t count = tinyops_get16(asked->payload + TINYOPS_LINK_TENSOR_READ_REQUEST_COUNT_AT);
  const tinyops_model_header *header = app->model.header;
  int32_t is_input = tensor == TINYOPS_LINK_TENSOR_INPUT;
  uint32_t room = is_input ? header->input_bytes : header->output_bytes;
  if (tensor > TINYOPS_LINK_TENSOR_OUTPUT || count > TINYOPS_LINK_DATA_MAX || offset > room ||
      count > room - offset) {
    refuse(app, asked, TINYOPS_LINK_ERR_RANGE);
    return;
  }
  copy(payload_of(app), (is_input ? input_of(app) : output_of(app)) + offset, count);
  answer(app, asked, count);
}

static void invoke(tinyops_app *app, const request *asked) {
  const tinyops_port *port = app->board->port;
#if defined(TINYOPS_PART)
  tinyops_part_hold(app);
#endif
  port->start_ticks(port->context);
  int32_t status = app->model.invoke(app->board->arena);
  uint32_t ticks = stop(app);
  if (status != TINYOPS_OK && status != TINYOPS_MORE) {
    refuse(app, asked, status);
    return;
  }
  if (status == TINYOPS_OK) {
    app->fed = 0;
    tinyops_app_count(app);
  }
  tinyops_put32(payload_of(app) + TINYOPS_LINK_INVOKE_REPLY_TICKS_AT, ticks);
  tinyops_put32(payload_of(app) + TINYOPS_LINK_INVOKE_REPLY_TICK_HZ_AT, port->tick_hz);
  answer(app, asked, TINYOPS_LINK_INVOKE_REPLY_SIZE);
#if defined(TINYOPS_PART)
  if (status == TINYOPS_OK) {
    tinyops_part_invoked(app);
  }
#endif
}

static void tell_cycles(tinyops_app *app, const request *asked) {
  const tinyops_port *port = app->board->port;
  uint8_t *out = payload_of(app);
  tinyops_put32(out + TINYOPS_LINK_CYCLES_REPLY_CYCLES_AT, app->cycles);
  out[TINYOPS_LINK_CYCLES_REPLY_BITS_AT] = port->cycle_bits;
  out[TINYOPS_LINK_CYCLES_REPLY_EMULATED_AT] = port->emulated;
  answer(app, asked, TINYOPS_LINK_CYCLES_REPLY_SIZE);
}

static void tell_stats(tinyops_app *app, const request *asked) {
  tinyops_port_memory memory = {0, 0, 0};
  uint8_t *out = payload_of(app);
  app->board->port->measure(app->board->port->context, &memory);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_STACK_USED_AT, memory.stack_used);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_STACK_BYTES_AT, memory.stack_bytes);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_STATIC_BYTES_AT, memory.static_bytes);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_INFERENCES_AT, app->inferences);
  tinyops_put32(out + TINYOPS_LINK_STATS_REPLY_BAD_FRAMES_AT, app->decoder.bad_frames);
  answer(app, asked, TINYOPS_LINK_STATS_REPLY_SIZE);
}

static void reset_state(tinyops_app *app, const request *asked) {
  const int32_t status = tinyops_app_start_model(app);
  if (status != TINYOPS_OK) {
    refuse(app, asked, status);
    return;
  }
  answer(app, asked, 0);
}

/* What needs a model that can run. */
static void serve_model(tinyops_app *app, const request *asked) {
  tinyops_app_yield(app);
  switch (asked->type) {
    case TINYOPS_LINK_SAMPLE:
      take_sample(app, asked);
      break;
    case TINYOPS_LINK_TENSOR_WRITE:
      write_tensor(app, asked);
      break;
    case TINYOPS_LINK_TENSOR_READ:
      read_tensor(app, asked);
      break;
    case TINYOPS_LINK_INVOKE:
      invoke(app, asked);
      break;
    default:
      reset_state(app, asked);
      break;
  }
}

/* Requests without a payload are refused when they carry one. */
static int32_t is_bare(uint8_t type) {
  return type == TINYOPS_LINK_HELLO || type == TINYOPS_LINK_STATS || type == TINYOPS_LINK_INVOKE ||
         type == TINYOPS_LINK_RESET_STATE || type == TINYOPS_LINK_CYCLES;
}

static void serve(tinyops_app *app, const request *asked) {
  if (asked->type < TINYOPS_LINK_HELLO || asked->type > TINYOPS_LINK_CYCLES) {
    refuse(app, asked, TINYOPS_LINK_ERR_TYPE);
  } else if (is_bare(asked->type) && asked->bytes != 0) {
    refuse(app, asked, TINYOPS_LINK_ERR_REQUEST);
  } else if (asked->type == TINYOPS_LINK_HELLO) {
    say_hello(app, asked);
  } else if (asked->type == TINYOPS_LINK_STATS) {
    tell_stats(app, asked);
  } else if (asked->type == TINYOPS_LINK_CYCLES) {
    tell_cycles(app, asked);
  } else if (app->state != TINYOPS_OK) {
    refuse(app, asked, app->state);
  } else {
    serve_model(app, asked);
  }
}

void tinyops_app_serve(tinyops_app *app) {
  const uint8_t *frame = app->decoder.frame;
#if defined(TINYOPS_PART)
  if (tinyops_part_take(app, frame, app->frame_bytes) != 0) {
    return;
  }
#endif
  const request asked = {frame[TYPE_AT], frame[SEQUENCE_AT], frame + PAYLOAD_AT,
                         app->frame_bytes - PAYLOAD_AT};
  serve(app, &asked);
}
