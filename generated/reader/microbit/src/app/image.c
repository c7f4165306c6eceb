/* Judging the bytes in a model slot before anything in them is called. */
#include "tinyops/app.h"
#include "tinyops/bytes.h"
#if defined(TINYOPS_PART)
#include "tinyops/chain.h"
#endif

#define CONTRACT_BYTES 32u
#define ERASED 0xffffffffu

/* Whether offset .. offset + count lies within `bytes`, without overflow. */
static int32_t inside(uint32_t offset, uint32_t count, uint32_t bytes) {
  return offset <= bytes && count <= bytes - offset;
}

static int32_t is_entry(const tinyops_model_header *header, uint32_t offset) {
#if defined(__thumb__)
  if ((offset & 1u) == 0) {
    return 0; /* bit 0 says Thumb, the one way in which these cores run */
  }
  offset -= 1u;
#endif
  return offset >= header->header_bytes && inside(offset, 2, header->image_bytes);
}

static int32_t has_entries(const tinyops_model_header *header) {
  return is_entry(header, header->init) && is_entry(header, header->push) &&
         is_entry(header, header->prepare) && is_entry(header, header->invoke);
}

/* What holds for images in slots and for loaded models alike. */
static int32_t check_model(const tinyops_app_board *board, const tinyops_model_header *header) {
  if (!inside(header->input_offset, header->input_bytes, header->arena_bytes) ||
      !inside(header->output_offset, header->output_bytes, header->arena_bytes)) {
    return TINYOPS_ERR_IMAGE;
  }
  if (tinyops_bytes_differ(header->contract, board->contract, CONTRACT_BYTES)) {
    return TINYOPS_ERR_CONTRACT;
  }
  if (header->arena_bytes > board->arena_bytes) {
    return TINYOPS_ERR_ARENA_BYTES;
  }
  return header->frame_values > board->frame_values ? TINYOPS_LINK_ERR_FRAME_BYTES : TINYOPS_OK;
}

static int32_t check_version(const tinyops_model_header *header) {
  if (header->magic != TINYOPS_MODEL_MAGIC || header->header_bytes < sizeof(*header)) {
    return TINYOPS_ERR_IMAGE;
  }
  return header->abi == TINYOPS_MODEL_ABI ? TINYOPS_OK : TINYOPS_LINK_ERR_ABI;
}

static int32_t check_image(const tinyops_app *app, const tinyops_model_header *header) {
  if (app->slot_bytes < sizeof(*header) || header->magic == ERASED || header->magic == 0) {
    return TINYOPS_LINK_ERR_ABSENT;
  }
  int32_t status = check_version(header);
  if (status != TINYOPS_OK) {
    return status;
  }
  if (header->image_bytes > app->slot_bytes) {
    return TINYOPS_LINK_ERR_IMAGE_BYTES;
  }
  return has_entries(header) ? check_model(app->board, header) : TINYOPS_ERR_IMAGE;
}

static int32_t find_loaded(const tinyops_app_board *board, tinyops_app_model *model) {
  const tinyops_model_header *header = board->loaded.header;
  if (header == 0) {
    return TINYOPS_LINK_ERR_ABSENT;
  }
  int32_t status = check_version(header);
  if (status == TINYOPS_OK) {
    status = check_model(board, header);
  }
  if (status == TINYOPS_OK) {
    *model = board->loaded;
  }
  return status;
}

int32_t tinyops_app_find_model(tinyops_app *app) {
  tinyops_app_model *model = &app->model;
  if (app->slot == 0) {
    const int32_t found = find_loaded(app->board, model);
#if defined(TINYOPS_PART)
    return found == TINYOPS_OK ? tinyops_part_check(app) : found;
#else
    return found;
#endif
  }
  const tinyops_model_header *header = (const tinyops_model_header *)app->slot;
  uintptr_t base = (uintptr_t)app->slot;
  int32_t status = check_image(app, header);
  if (status != TINYOPS_OK) {
    return status;
  }
  model->header = header;
  model->init = (tinyops_model_init_fn)(uintptr_t)(base + header->init);
  model->push = (tinyops_model_push_fn)(uintptr_t)(base + header->push);
  model->prepare = (tinyops_model_prepare_fn)(uintptr_t)(base + header->prepare);
  model->invoke = (tinyops_model_invoke_fn)(uintptr_t)(base + header->invoke);
#if defined(TINYOPS_PART)
  return tinyops_part_check(app);
#else
  return TINYOPS_OK;
#endif
}
