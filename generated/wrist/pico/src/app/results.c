/* An inference on what has come, and its result: on the line, over the network, shown. */
#include "tinyops/app.h"

#if defined(TINYOPS_PART) /* a part of a chain: see chain.h */
#include "tinyops/chain.h"
#endif
#include "tinyops/little_endian.h"

enum { TYPE_AT = 0, SEQUENCE_AT = 1, PAYLOAD_AT = 2 };

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static const uint8_t *output_of(const tinyops_app *app) {
  return (const uint8_t *)app->board->arena + app->model.header->output_offset;
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
  uint8_t *out = app->reply + PAYLOAD_AT;
  tinyops_put32(out + TINYOPS_LINK_RESULT_REPLY_INDEX_AT, app->result_index);
  tinyops_put32(out + TINYOPS_LINK_RESULT_REPLY_TICKS_AT, ticks);
  tinyops_put16(out + TINYOPS_LINK_RESULT_REPLY_BEST_AT, best);
  tinyops_put16(out + TINYOPS_LINK_RESULT_REPLY_OUTPUTS_AT, smaller(outputs, UINT16_MAX));
  for (uint32_t i = 0; i < sent; i++) {
    out[TINYOPS_LINK_RESULT_REPLY_SIZE + i] = output_of(app)[i];
  }
  app->reply[TYPE_AT] = TINYOPS_LINK_RESULT;
  app->reply[SEQUENCE_AT] = (uint8_t)app->result_index;
  tinyops_app_send(port, app->reply, PAYLOAD_AT + TINYOPS_LINK_RESULT_REPLY_SIZE + sent);
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

uint32_t tinyops_app_stop(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  app->cycles = port->cycle_bits > 0 ? port->cycles(port->context) : 0;
  return port->ticks(port->context);
}

static int32_t conclude(tinyops_app *app, int32_t status) {
  uint32_t ticks = tinyops_app_stop(app);
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
