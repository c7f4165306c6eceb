/* An application from its start on: what its line brings, and its sensor. */
#include "tinyops/app.h"

enum { POLL_BYTES = 512 };

int32_t tinyops_app_init(tinyops_app *app, const tinyops_app_board *board) {
  *app = (tinyops_app){.board = board};
  app->reset_cause = tinyops_kept_start(board->port);
  app->slot = board->slot;
  app->slot_bytes = board->slot_bytes;
  if (board->updates != 0) {
    board->updates->boot(app);
  } else {
    tinyops_app_load(app);
  }
  tinyops_app_start_sensing(app);
  return app->state;
}

static int32_t poll_line(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  for (uint32_t taken = 0; taken < POLL_BYTES; taken++) {
    int32_t byte = port->read_byte(port->context);
    if (byte == TINYOPS_PORT_NO_BYTE) {
      return taken > 0;
    }
    switch (tinyops_app_take(app, (uint8_t)byte)) {
      case TINYOPS_ARRIVED_FRAME:
        tinyops_app_serve(app);
        return 1;
      case TINYOPS_ARRIVED_MESSAGE:
        tinyops_smp_serve(app->board->smp);
        return 1;
      default:
        break;
    }
  }
  return 1;
}

int32_t tinyops_app_poll(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  if (port->feed_watchdog != 0) {
    port->feed_watchdog(port->context);
  }
  if (app->board->updates != 0) {
    app->board->updates->swap(app);
  }
  const int32_t sensed = tinyops_app_sense(app);
  return poll_line(app) != 0 || sensed != 0;
}
