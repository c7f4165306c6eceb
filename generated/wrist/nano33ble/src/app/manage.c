/* What the SMP server asks of the application. */
#include "tinyops/manage.h"

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
  return app->slot != 0 && app->model.header != 0;
}

static int32_t is_readable(const tinyops_app_release *release) {
  return (release->flash_bytes != 0 && release->sha256_of != 0) || release->digest != 0;
}

typedef struct {
  const uint8_t *start;
} memory_reader;

static void read_memory(void *context, uint32_t at, uint8_t *bytes, uint32_t count) {
  const uint8_t *from = ((const memory_reader *)context)->start + at;
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = from[i];
  }
}

static void digest_memory(const tinyops_app_management *self, const void *start, uint32_t count,
                          uint8_t *to) {
  memory_reader reader = {(const uint8_t *)start};
  self->release->sha256_of(read_memory, &reader, count, to);
}

/* Takes a second for some images on a slow core: once for each. */
static void digest(tinyops_app_management *self) {
  const tinyops_app *app = self->app;
  if (self->digested == 0) {
    self->digested = 1;
    if (self->release->flash_bytes != 0 && self->release->sha256_of != 0) {
      digest_memory(self, self->release->flash, self->release->flash_bytes, self->firmware);
    } else if (self->release->digest != 0) {
      self->release->digest(self->firmware);
    }
  }
  if (has_image(app) && self->release->sha256_of != 0 && self->digested_load != app->loads) {
    self->digested_load = app->loads;
    digest_memory(self, app->slot, app->model.header->image_bytes, self->model);
  }
}

/* Images that have a slot beside the one that runs. */
static uint32_t count_free(const tinyops_app_updates *updates) {
  uint32_t count = 0;
  for (uint32_t i = 0; updates != 0 && i < TINYOPS_SLOTS_IMAGES; i++) {
    const tinyops_slot *slots = updates->slots->slots[i];
    count += slots[0].bytes > 0 && slots[1].bytes > 0;
  }
  return count;
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
      .model = self->digested_load != 0 && has_image(self->app) ? self->model : 0,
      .image_crc = self->app->image_crc,
      .abi = TINYOPS_MODEL_ABI,
      .state = self->app->state,
      .arena_bytes = board->arena_bytes,
      .ram_bytes = memory.static_bytes + memory.stack_bytes,
      .free_slots = count_free(board->updates),
      .silicon = board->port->silicon_bytes != 0 ? (const uint8_t *)board->port->silicon : 0,
      .silicon_bytes = board->port->silicon_bytes,
  };
}

static void note(tinyops_smp_test *test, const char *name, int32_t status) {
  test->names[test->count] = name;
  test->statuses[test->count] = status;
  test->count++;
}

static int32_t check_image(const tinyops_app *app) {
  if (app->state == TINYOPS_OK && app->slot != 0) {
    const uint32_t crc =
        tinyops_app_crc32((const uint8_t *)app->slot, app->model.header->image_bytes);
    return crc == app->image_crc ? TINYOPS_OK : TINYOPS_ERR_IMAGE;
  }
  return app->state;
}

static int32_t test_itself(void *context, int32_t keep, tinyops_smp_test *test) {
  tinyops_app_management *self = (tinyops_app_management *)context;
  const int32_t image = check_image(self->app);
  note(test, "image", image);
  if (image == TINYOPS_OK) {
    const tinyops_input input = keep != 0 ? TINYOPS_INPUT_KEPT : TINYOPS_INPUT_ZEROS;
    tinyops_app_yield(self->app);
    note(test, "model", tinyops_app_try(self->app, input, 0, &test->outputs_crc));
  }
  tinyops_port_memory memory = {0, 0, 0};
  port_of(self)->measure(port_of(self)->context, &memory);
  if (memory.stack_bytes > 0) { /* not every port can tell */
    note(test, "stack", memory.stack_used < memory.stack_bytes ? 0 : STACK_USED_UP);
  }
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
  const int32_t status = tinyops_app_run(app, TINYOPS_INPUT_KEPT, 0);
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
  const int32_t started = tinyops_app_start_model(app);
  return status == TINYOPS_OK && started == TINYOPS_OK ? 0 : -TINYOPS_SMP_ERR_FAILED;
}

tinyops_smp *tinyops_app_manage(tinyops_app_management *management, tinyops_app *app,
                                const tinyops_port *port, const tinyops_app_release *release) {
  management->app = app;
  management->port = port;
  management->release = release;
  management->digested = 0;
  management->digested_load = 0;
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
      .image_calls = release->image_calls,
      .images = release->images,
  };
  tinyops_smp_open(&management->smp, &management->board, TINYOPS_SMP_LOCAL, release->message,
                   release->message_bytes);
  return &management->smp;
}
