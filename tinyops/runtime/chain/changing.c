/* What a part knows of sets, and that it changes its own: set.c decides. */
#include "part.h"
#include "tinyops/bytes.h"

enum {
  SWITCHES_MAX = 6, /* one after another; then one in each REST_MS */
  REST_MS = 60000
};

static void copy_set(uint8_t *to, const uint8_t *from) {
  for (uint32_t i = 0; i < TINYOPS_CHAIN_SET_BYTES; i++) {
    to[i] = from != 0 ? from[i] : 0;
  }
}

/* A set that a neighbour told; none of one that is silent or belongs elsewhere. */
static const uint8_t *told_set(const tinyops_part *part, const tinyops_neighbour *neighbour,
                               uint32_t at) {
  const uint8_t *told = neighbour->told;
  const uint32_t place = part->place->position + (neighbour == &part->after ? 1u : 0xffffffffu);
  const int32_t belongs = neighbour->heard != 0 &&
                          told[TINYOPS_LINK_PART_STATE_VERSION_AT] == TINYOPS_PART_VERSION &&
                          told[TINYOPS_LINK_PART_STATE_POSITION_AT] == place &&
                          told[TINYOPS_LINK_PART_STATE_PARTS_AT] == part->place->parts;
  return belongs ? told + at : 0;
}

/* Where nothing switches: what runs is all that there is to offer. */
static void decide_plainly(const tinyops_chain_view *view, tinyops_chain_decision *decision) {
  const int32_t alike = view->position == 0 || tinyops_bytes_differ(view->offered, view->running,
                                                                    TINYOPS_CHAIN_SET_BYTES) == 0;
  const int32_t last = view->position + 1u == view->parts;
  *decision = (tinyops_chain_decision){.switches = 0};
  copy_set(decision->offered, alike != 0 ? view->running : 0);
  copy_set(decision->committed, last != 0 ? view->running : view->committed);
}

void tinyops_part_refresh(tinyops_part *part) {
  part->loads = part->app.loads;
  part->model = part->app.state == TINYOPS_OK ? tinyops_part_find(&part->app, part->place) : 0;
  part->out.active = 0;
  part->acknowledges = 0;
  copy_set(part->sets.running, part->model != 0 ? part->model->set : 0);
  if (tinyops_part_is_first(part)) {
    return;
  }
  part->inlet->in = (tinyops_pieces_in){.pieces = 0};
  if (part->model != 0) {
    const tinyops_message takes = tinyops_part_takes(part);
    tinyops_pieces_await(&part->inlet->in, &takes, part->model->set, part->number);
  }
}

static void decide(tinyops_part *part) {
  const tinyops_chain_switching *switching = part->place->switching;
  tinyops_chain_view *sets = &part->sets;
  if (!tinyops_part_is_first(part)) {
    const tinyops_neighbour *before = &part->inlet->before;
    const uint8_t *wished = told_set(part, before, TINYOPS_LINK_PART_STATE_WISHED_AT);
    copy_set(sets->offered, told_set(part, before, TINYOPS_LINK_PART_STATE_OFFERED_AT));
    copy_set(sets->also, told_set(part, before, TINYOPS_LINK_PART_STATE_ALSO_AT));
    sets->offer_wished = wished != 0 && *wished != 0;
  }
  copy_set(sets->committed, told_set(part, &part->after, TINYOPS_LINK_PART_STATE_COMMITTED_AT));
  if (switching == 0) {
    decide_plainly(sets, &part->decided);
  } else {
    switching->decide(sets, &part->decided);
  }
}

/* Flash wears, and a neighbour that commits one set, then the other, does so as fast as frames
 * come. Counts a switch. */
static int32_t may_switch(tinyops_part *part) {
  const uint32_t now = tinyops_part_now(part), rested = (now - part->switched_ms) / REST_MS;
  if (rested > 0 || part->switches == 0) {
    part->switches -= rested < part->switches ? rested : part->switches;
    part->switched_ms = now;
  }
  if (part->switches >= SWITCHES_MAX) {
    return 0;
  }
  part->switches++;
  return 1;
}

/* Twice at most: a spare that ran before proves itself first. */
void tinyops_part_change_sets(tinyops_part *part) {
  const tinyops_chain_switching *switching = part->place->switching;
  void *context = part->place->switching_context;
  const int32_t free = switching != 0 && tinyops_part_is_busy(&part->app) == 0 &&
                       tinyops_app_is_midway(&part->app) == 0;
  for (uint32_t i = 0; i < 3; i++) {
    if (free && switching->find_spare(context, &part->app, &part->sets) != 0) {
      tinyops_part_yield(&part->app);
    }
    if (part->loads != part->app.loads) {
      tinyops_part_refresh(part);
    }
    decide(part);
    if (!free || part->decided.switches == 0 || i == 2 || (i == 0 && may_switch(part) == 0)) {
      return;
    }
    switching->apply(context, &part->app);
  }
}
