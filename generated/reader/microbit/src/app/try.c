/* The model from its beginning, and by itself: as after start-up, as a self-test runs it. */
#include "tinyops/app.h"
#include "tinyops/golden.h"

int32_t tinyops_app_start_model(tinyops_app *app) {
  app->frame_arrived = 0;
  app->result_index = 0;
  app->fed = 0;
  return app->model.init(app->board->arena);
}

void tinyops_app_load(tinyops_app *app) {
  app->model = (tinyops_app_model){.header = 0};
  app->image_crc = 0;
  app->loads++;
  app->state = tinyops_app_find_model(app);
  if (app->state == TINYOPS_OK) {
    if (app->slot != 0) {
      app->image_crc =
          tinyops_app_crc32((const uint8_t *)app->slot, app->model.header->image_bytes);
    }
    app->state = tinyops_app_start_model(app);
    tinyops_app_keep_image(app);
  }
}

int32_t tinyops_app_run(const tinyops_app *app, tinyops_input input, uint32_t seed) {
  const tinyops_model_header *header = app->model.header;
  uint8_t *at = (uint8_t *)app->board->arena + header->input_offset;
  int32_t status = TINYOPS_MORE;
  for (uint32_t row = 0; status == TINYOPS_MORE && row <= header->window_frames; row++) {
    if (input != TINYOPS_INPUT_KEPT) {
      seed = tinyops_golden_fill(seed, at, header->input_bytes);
    }
    for (uint32_t i = 0; input == TINYOPS_INPUT_ZEROS && i < header->input_bytes; i++) {
      at[i] = 0;
    }
    status = app->model.invoke(app->board->arena);
  }
  return status;
}

int32_t tinyops_app_try(tinyops_app *app, tinyops_input input, uint32_t seed, uint32_t *crc) {
  const tinyops_model_header *header = app->model.header;
  int32_t status = input == TINYOPS_INPUT_KEPT ? TINYOPS_OK : tinyops_app_start_model(app);
  if (status == TINYOPS_OK) {
    status = tinyops_app_run(app, input, seed);
  }
  if (status == TINYOPS_OK) {
    *crc = tinyops_app_crc32((const uint8_t *)app->board->arena + header->output_offset,
                             header->output_bytes);
  }
  const int32_t started = tinyops_app_start_model(app);
  return status == TINYOPS_OK ? started : status;
}
