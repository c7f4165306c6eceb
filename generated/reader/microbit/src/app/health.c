/* How the board fares: what the application counts, and what the port and kept RAM know. */
#include "tinyops/app.h"

void tinyops_app_count(tinyops_app *app) {
  const uint32_t best = tinyops_app_best(app);
  const int8_t *outputs = (const int8_t *)app->board->arena + app->model.header->output_offset;
  app->inferences++;
  app->confidence_steps += (uint32_t)(outputs[best] + 128);
  if (best < TINYOPS_HEALTH_CLASSES_MAX) {
    app->histogram[best]++;
  }
}

static void describe_memory(const tinyops_app *app, tinyops_health *health) {
  tinyops_port_memory memory = {0, 0, 0};
  app->board->port->measure(app->board->port->context, &memory);
  health->stack_used = memory.stack_used;
  health->stack_bytes = memory.stack_bytes;
  health->arena_bytes = app->board->arena_bytes;
}

static void describe_model(const tinyops_app *app, tinyops_health *health) {
  if (app->model.header == 0) {
    return;
  }
  health->arena_used = app->model.header->arena_bytes;
  health->classes = app->model.header->output_bytes;
  for (uint32_t i = 0; i < TINYOPS_HEALTH_CLASSES_MAX; i++) {
    health->histogram[i] = app->histogram[i];
  }
}

static void describe_sensor(const tinyops_app *app, tinyops_health *health) {
  const tinyops_port *port = app->board->port;
  health->sensor = app->sensing > 0 ? 1 : app->sensing;
  if (app->sensing > 0) {
    health->missed_frames = port->sensor->missed(port->context);
  }
}

void tinyops_app_health(const tinyops_app *app, tinyops_health *health) {
  const tinyops_port *port = app->board->port;
  const tinyops_kept *kept = tinyops_kept_open(port);
  *health = (tinyops_health){
      .uptime_ms = port->now_ms != 0 ? port->now_ms(port->context) : 0,
      .reset_cause = app->reset_cause,
      .watchdog_resets = kept != 0 ? kept->watchdog_resets : 0,
      .faults = kept != 0 ? kept->faults : 0,
      .inferences = app->inferences,
      .supply_mv = port->supply_mv != 0 ? port->supply_mv(port->context) : 0,
      .confidence_steps = app->confidence_steps,
  };
  describe_memory(app, health);
  describe_model(app, health);
  describe_sensor(app, health);
}

void tinyops_app_keep_image(const tinyops_app *app) {
  tinyops_kept *kept = tinyops_kept_open(app->board->port);
  if (kept != 0) {
    kept->image_crc = app->image_crc;
    tinyops_kept_seal(kept);
  }
}
