/* The board's own sensor: started at the contract's rate, its frames pushed into the model as they
 * come, each result acted upon.
 *
 *   OFF     no sensor, no rate, or no model that takes frames of this kind
 *   ON      frames are pushed
 *   YIELDED the host feeds the model: the sensor's frames are left alone, and count as missed,
 * until the host has been quiet for a while; then the model starts from a cleared state
 *
 * A negative number is a sensor that has failed, or a model that has: nothing is pushed any more.
 */
#include "tinyops/app.h"
#if defined(TINYOPS_PART)
#include "tinyops/chain.h"
#endif

enum { QUIET_MS = 5000 };

static uint32_t now_of(const tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  return port->now_ms != 0 ? port->now_ms(port->context) : 0;
}

void tinyops_app_start_sensing(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  app->sensing = TINYOPS_SENSING_OFF;
  if (app->state == TINYOPS_OK && port->sensor != 0 && app->board->rate_millihz > 0 &&
      app->model.header->frame_values > 0) {
    const int32_t status = port->sensor->start(port->context, app->board->rate_millihz);
    app->sensing = status < 0 ? status : TINYOPS_SENSING_ON;
  }
}

void tinyops_app_yield(tinyops_app *app) {
#if defined(TINYOPS_PART)
  tinyops_part_yield(app);
#endif
  app->yielded_ms = now_of(app);
  if (app->sensing > 0) {
    app->sensing = TINYOPS_SENSING_YIELDED;
  }
}

/* Without a clock the sensor waits until the board starts again. */
static void take_back(tinyops_app *app) {
  if (app->board->port->now_ms != 0 && now_of(app) - app->yielded_ms >= QUIET_MS) {
    const int32_t status = tinyops_app_start_model(app);
    app->sensing = status < 0 ? status : TINYOPS_SENSING_ON;
  }
}

static void push(tinyops_app *app) {
  int32_t status = app->model.push(app->board->arena, app->board->frame);
  if (status == TINYOPS_DUE) {
    status = tinyops_app_infer(app);
  }
  if (status < 0) {
    app->sensing = status;
  }
}

int32_t tinyops_app_sense(tinyops_app *app) {
  const tinyops_port *port = app->board->port;
  if (app->sensing <= 0) {
    return 0;
  }
  if (app->sensing == TINYOPS_SENSING_YIELDED) {
    take_back(app);
  }
  if (app->sensing != TINYOPS_SENSING_ON) {
    return 0;
  }
#if defined(TINYOPS_PART)
  if (tinyops_part_is_busy(app) != 0) {
    return 0; /* frames wait with the sensor, which counts those that it loses */
  }
#endif
  const int32_t got =
      port->sensor->poll(port->context, app->board->frame, app->model.header->frame_values);
  if (got < 0) {
    app->sensing = got;
  } else if (got > 0) {
    push(app);
  }
  return got > 0;
}
