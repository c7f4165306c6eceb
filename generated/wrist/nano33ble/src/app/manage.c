/* What the SMP server asks of the application. */
#include "tinyops/manage.h"

#include "tinyops/sha256.h"

enum { STACK_USED_UP = 1 };

static const tinyops_port *port_of(const tinyops_app_management *self) { return self->port; }

static void write_line(void *context, const uint8_t *bytes, uint32_t count) {
  const tinyops_port *port = port_of((tinyops_app_management *)context);
  port->write(port->context, bytes, count);
}

static void restart(void *context) {
  const tinyops_port *port = port_of((tinyops_app_management *)context);
  port->reset(port->context);
}

static void find_health(void *context, tinyops_health *health) {
  tinyops_app_health(((tinyops_app_management *)context)->app, health);
}

static const tinyops_crash *find_crash(void *context) {
  return tinyops_kept_last(port_of((tinyops_app_management *)context));
}

static void clear_crash(void *context) {
  tinyops_kept_clear(port_of((tinyops_app_management *)context));
}

static int32_t has_image(const tinyops_app *app) {
  return app->board->slot != 0 && app->model.header != 0;
}

static int32_t is_readable(const tinyops_app_release *release) {
  return release->flash_bytes != 0 || release->digest != 0;
}

/* Takes a second for some images on a slow core: once. */
static void digest(tinyops_app_management *self) {
  if (self->digested != 0) {
    return;
  }
  self->digested = 1;
  if (self->release->flash_bytes != 0) {
    tinyops_sha256(self->release->flash, self->release->flash_bytes, self->firmware);
  } else if (self->release->digest != 0) {
    self->release->digest(self->firmware);
  }
  if (has_image(self->app)) {
    tinyops_sha256((const uint8_t *)self->app->board->slot, self->app->model.header->image_bytes,
                   self->model);
  }
}

static void describe(void *context, tinyops_smp_info *info) {
  tinyops_app_management *self = (tinyops_app_management *)context;
  const tinyops_app_board *board = self->app->board;
  tinyops_port_memory memory = {0, 0, 0};
  board->port->measure(board->port->context, &memory);
  digest(self);
  *info = (tinyops_smp_info){
      .board = board->name,
      .fleet = self->release->fleet,
      .version = self->release->version,
      .contract = board->contract,
      .firmware = is_readable(self->release) ? self->firmware : 0,
      .model = has_image(self->app) ? self->model : 0,
      .image_crc = self->app->image_crc,
      .abi = TINYOPS_MODEL_ABI,
      .state = self->app->state,
      .arena_bytes = board->arena_bytes,
      .ram_bytes = memory.static_bytes + memory.stack_bytes,
      .silicon = board->port->silicon_bytes != 0 ? (const uint8_t *)board->port->silicon : 0,
      .silicon_bytes = board->port->silicon_bytes,
  };
}

/* One inference on what the input tensor holds; an input that comes in rows is the same row again
 * and again. */
static int32_t run_model(const tinyops_app *app) {
  int32_t status = TINYOPS_MORE;
  for (uint32_t row = 0; status == TINYOPS_MORE && row <= app->model.header->window_frames; row++) {
    status = app->model.invoke(app->board->arena);
  }
  return status;
}

/* The model as after start-up. */
static int32_t start_model(tinyops_app *app) {
  app->frame_arrived = 0;
  app->result_index = 0;
  return app->model.init(app->board->arena);
}

static void clear_input(const tinyops_app *app) {
  uint8_t *input = (uint8_t *)app->board->arena + app->model.header->input_offset;
  for (uint32_t i = 0; i < app->model.header->input_bytes; i++) {
    input[i] = 0;
  }
}

static void note(tinyops_smp_test *test, const char *name, int32_t status) {
  test->names[test->count] = name;
  test->statuses[test->count] = status;
  test->count++;
}

static int32_t check_image(const tinyops_app *app) {
  if (app->state == TINYOPS_OK && app->board->slot != 0) {
    const uint32_t crc =
        tinyops_app_crc32((const uint8_t *)app->board->slot, app->model.header->image_bytes);
    return crc == app->image_crc ? TINYOPS_OK : TINYOPS_ERR_IMAGE;
  }
  return app->state;
}

static int32_t check_model(tinyops_app *app, int32_t keep, tinyops_smp_test *test) {
  const tinyops_model_header *header = app->model.header;
  tinyops_app_yield(app);
  int32_t status = TINYOPS_OK;
  if (keep == 0) {
    status = start_model(app);
    clear_input(app);
  }
  if (status == TINYOPS_OK) {
    status = run_model(app);
  }
  if (status == TINYOPS_OK) {
    test->outputs_crc = tinyops_app_crc32(
        (const uint8_t *)app->board->arena + header->output_offset, header->output_bytes);
  }
  const int32_t started = start_model(app);
  return status == TINYOPS_OK ? started : status;
}

static int32_t test_itself(void *context, int32_t keep, tinyops_smp_test *test) {
  tinyops_app_management *self = (tinyops_app_management *)context;
  const int32_t image = check_image(self->app);
  note(test, "image", image);
  if (image == TINYOPS_OK) {
    note(test, "model", check_model(self->app, keep, test));
  }
  tinyops_port_memory memory = {0, 0, 0};
  port_of(self)->measure(port_of(self)->context, &memory);
  note(test, "stack", memory.stack_used < memory.stack_bytes ? 0 : STACK_USED_UP);
  return 0;
}

static void add(tinyops_smp_spread *spread, uint32_t value, uint32_t number) {
  spread->least = number == 0 || value < spread->least ? value : spread->least;
  spread->largest = value > spread->largest ? value : spread->largest;
  spread->sum += value;
}

static int32_t time_once(const tinyops_app *app, uint32_t number, tinyops_smp_bench *bench) {
  const tinyops_port *port = app->board->port;
  if (port->feed_watchdog != 0) {
    port->feed_watchdog(port->context);
  }
  port->start_ticks(port->context);
  const int32_t status = run_model(app);
  if (port->cycle_bits > 0) {
    add(&bench->cycles, port->cycles(port->context), number);
  }
  add(&bench->ticks, port->ticks(port->context), number);
  return status;
}

static int32_t time_model(void *context, uint32_t repeat, tinyops_smp_bench *bench) {
  tinyops_app *app = ((tinyops_app_management *)context)->app;
  const tinyops_port *port = app->board->port;
  if (app->state != TINYOPS_OK) {
    return -TINYOPS_SMP_ERR_STATE;
  }
  tinyops_app_yield(app);
  bench->tick_hz = port->tick_hz;
  bench->cycle_bits = port->cycle_bits;
  bench->emulated = port->emulated;
  int32_t status = TINYOPS_OK;
  for (uint32_t i = 0; status == TINYOPS_OK && i < repeat; i++) {
    status = time_once(app, i, bench);
  }
  const int32_t started = start_model(app);
  return status == TINYOPS_OK && started == TINYOPS_OK ? 0 : -TINYOPS_SMP_ERR_FAILED;
}

tinyops_smp *tinyops_app_manage(tinyops_app_management *management, tinyops_app *app,
                                const tinyops_port *port, const tinyops_app_release *release) {
  management->app = app;
  management->port = port;
  management->release = release;
  management->digested = 0;
  management->board = (tinyops_smp_board){
      .context = management,
      .write = write_line,
      .info = describe,
      .health = find_health,
      .crash = find_crash,
      .clear_crash = clear_crash,
      .self_test = test_itself,
      .bench = time_model,
      .reset = port->reset != 0 ? restart : 0,
      .settings = release->settings,
  };
  tinyops_smp_open(&management->smp, &management->board, management->message,
                   sizeof(management->message));
  return &management->smp;
}
