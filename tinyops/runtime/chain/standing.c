/* What a part knows of its place: its image, its neighbours, and what it tells of them. */
#include "tinyops/bytes.h"
#include "tinyops/chain.h"
#include "tinyops/little_endian.h"

enum { ALIGN = TINYOPS_ARENA_ALIGN, SET = TINYOPS_PART_SET_BYTES };
#define AT(name) TINYOPS_LINK_PART_STATE_##name##_AT

static const tinyops_part_standing ready = {TINYOPS_PART_READY, TINYOPS_PART_NONE};

static uint32_t aligned(uint32_t bytes) { return (bytes + ALIGN - 1u) / ALIGN * ALIGN; }

static const tinyops_model_tensor *tensors_of(const tinyops_model_part *model) {
  return (const tinyops_model_tensor *)(const void *)(model + 1);
}

/* A tensor lies within a memory of `bytes`, or nowhere there. */
static int32_t lies(uint32_t offset, uint32_t count, uint32_t bytes) {
  return offset == TINYOPS_MODEL_NOWHERE || (offset <= bytes && count <= bytes - offset);
}

/* Whether a message's tensors lie where there is memory, and sum up to its bytes. */
static int32_t is_sound(const tinyops_model_tensor *tensors, uint32_t count, uint32_t bytes,
                        uint32_t arena_bytes, uint32_t held_bytes) {
  uint32_t sum = 0;
  for (uint32_t i = 0; i < count; i++) {
    const tinyops_model_tensor *one = &tensors[i];
    if (one->bytes > bytes - sum || !lies(one->arena_offset, one->bytes, arena_bytes) ||
        !lies(one->held_offset, one->bytes, held_bytes) ||
        (one->arena_offset == TINYOPS_MODEL_NOWHERE && one->held_offset == TINYOPS_MODEL_NOWHERE)) {
      return 0;
    }
    sum += one->bytes;
  }
  return sum == bytes && bytes > 0;
}

static const tinyops_model_part *extension(const tinyops_model_header *header,
                                           const uint32_t *words) {
  if (words != 0) {
    return (const tinyops_model_part *)(const void *)words;
  }
  const uint32_t room = header->header_bytes - (uint32_t)sizeof(*header);
  const tinyops_model_part *found = (const tinyops_model_part *)(const void *)(header + 1);
  if (room < sizeof(*found) || header->header_bytes > header->image_bytes ||
      room - sizeof(*found) < sizeof(tinyops_model_tensor) * (found->takes + found->gives)) {
    return 0;
  }
  return found;
}

const tinyops_model_part *tinyops_part_find(const tinyops_app *app,
                                            const tinyops_part_place *place) {
  const tinyops_model_header *header = app->model.header;
  if (header == 0) {
    return 0;
  }
  const tinyops_model_part *found = extension(header, app->slot == 0 ? place->words : 0);
  if (found == 0 || found->magic != TINYOPS_MODEL_PART_MAGIC ||
      found->position != place->position || found->parts != place->parts) {
    return 0;
  }
  const tinyops_model_tensor *tensors = tensors_of(found);
  const uint32_t most = TINYOPS_PART_PIECES_MAX * TINYOPS_LINK_DATA_MAX;
  const uint32_t is_last = found->position + 1u == found->parts;
  if ((found->position > 0 && found->takes_bytes > most) ||
      (!is_last && found->gives_bytes > most) ||
      !is_sound(tensors, found->takes, found->takes_bytes, header->arena_bytes,
                found->held_bytes) ||
      !is_sound(tensors + found->takes, found->gives, found->gives_bytes, header->arena_bytes,
                found->held_bytes)) {
    return 0;
  }
  return found;
}

int32_t tinyops_part_check(const tinyops_app *app) {
  const tinyops_part *part = (const tinyops_part *)(const void *)app;
  const tinyops_model_part *model = tinyops_part_find(app, part->place);
  if (model == 0) {
    return TINYOPS_LINK_ERR_PART;
  }
  const uint32_t used = aligned(app->model.header->arena_bytes);
  const uint32_t arena = app->board->arena_bytes;
  return model->held_bytes == 0 || (used <= arena && model->held_bytes <= arena - used)
             ? TINYOPS_OK
             : TINYOPS_ERR_ARENA_BYTES;
}

static tinyops_message message_of(const tinyops_part *part, const tinyops_model_tensor *tensors,
                                  uint32_t count, uint32_t bytes) {
  uint8_t *arena = (uint8_t *)part->app.board->arena;
  return (tinyops_message){tensors, count, bytes, arena,
                           arena + aligned(part->app.model.header->arena_bytes)};
}

tinyops_message tinyops_part_takes(const tinyops_part *part) {
  const tinyops_model_part *model = part->model;
  return message_of(part, tensors_of(model), model->takes, model->takes_bytes);
}

tinyops_message tinyops_part_gives_from(const tinyops_part *part) {
  const tinyops_model_part *model = part->model;
  return message_of(part, tensors_of(model) + model->takes, model->gives, model->gives_bytes);
}

uint32_t tinyops_part_room(const tinyops_part *part, uint8_t **at) {
  const uint32_t used =
      aligned(part->app.model.header->arena_bytes) + aligned(part->model->held_bytes);
  *at = (uint8_t *)part->app.board->arena + used;
  return used < part->app.board->arena_bytes ? part->app.board->arena_bytes - used : 0;
}

int32_t tinyops_neighbour_take(tinyops_neighbour *neighbour, const uint8_t *payload, uint32_t bytes,
                               uint32_t now_ms) {
  if (bytes != TINYOPS_LINK_PART_STATE_SIZE) {
    return 0;
  }
  for (uint32_t i = 0; i < TINYOPS_LINK_PART_STATE_SIZE; i++) {
    neighbour->told[i] = payload[i];
  }
  neighbour->heard = 1;
  neighbour->known = 1;
  neighbour->lost = 0;
  neighbour->heard_ms = now_ms;
  return 1;
}

/* What a neighbour that was heard says, against what this part is. */
static tinyops_part_standing compare(const tinyops_part *part, const uint8_t *told, uint8_t place) {
  if (told[AT(VERSION)] != TINYOPS_PART_VERSION || told[AT(POSITION)] != place ||
      told[AT(PARTS)] != part->place->parts) {
    return (tinyops_part_standing){TINYOPS_PART_OTHER, place};
  }
  if (told[AT(STATUS)] != 0) {
    return (tinyops_part_standing){TINYOPS_PART_IMAGE, place};
  }
  if (tinyops_bytes_differ(told + AT(RUNNING), part->sets.running, SET) != 0) {
    return (tinyops_part_standing){TINYOPS_PART_MIXED, place};
  }
  return (tinyops_part_standing){told[AT(STATE)], told[AT(PART)]};
}

static tinyops_part_standing judge(const tinyops_part *part, tinyops_neighbour *neighbour,
                                   uint32_t place, uint32_t now_ms) {
  if (now_ms - neighbour->heard_ms >= part->after_ms && neighbour->lost == 0) {
    neighbour->lost = 1;
    neighbour->heard = 0;
  }
  if (neighbour->heard == 0) {
    const uint8_t state = neighbour->lost != 0 ? TINYOPS_PART_LOST : TINYOPS_PART_STARTING;
    return (tinyops_part_standing){state, (uint8_t)place};
  }
  return compare(part, neighbour->told, (uint8_t)place);
}

tinyops_part_standing tinyops_part_of_before(tinyops_part *part, uint32_t now_ms) {
  const uint32_t position = part->place->position;
  return position == 0 ? ready : judge(part, &part->inlet->before, position - 1u, now_ms);
}

tinyops_part_standing tinyops_part_of_after(tinyops_part *part, uint32_t now_ms) {
  const uint32_t next = part->place->position + 1u;
  return next == part->place->parts ? ready : judge(part, &part->after, next, now_ms);
}

static void put_set(uint8_t *to, const uint8_t *set) {
  for (uint32_t i = 0; i < SET; i++) {
    to[i] = set[i];
  }
}

void tinyops_part_describe(const tinyops_part *part, tinyops_part_standing standing, uint8_t *out) {
  if (part->model == 0) {
    standing = (tinyops_part_standing){TINYOPS_PART_IMAGE, part->place->position};
  }
  out[AT(VERSION)] = TINYOPS_PART_VERSION;
  out[AT(POSITION)] = part->place->position;
  out[AT(PARTS)] = part->place->parts;
  out[AT(STATE)] = standing.state;
  out[AT(PART)] = standing.part;
  out[AT(STATUS)] = (uint8_t)part->app.state;
  tinyops_put32(out + AT(NUMBER), part->number);
  put_set(out + AT(RUNNING), part->sets.running);
  put_set(out + AT(SPARE), part->sets.spare);
  put_set(out + AT(OFFERED), part->decided.offered);
  put_set(out + AT(COMMITTED), part->decided.committed);
  put_set(out + AT(ALSO), part->decided.also);
  out[AT(WISHED)] = part->decided.wished;
}
