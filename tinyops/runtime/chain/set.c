/* Which set of parts runs; the rules are in chain.h, why they are these in docs/split.md.
 *
 * The last part keeps what it runs while every part can run it and the first has no other wish: if
 * it followed the first part's order always, and the first part its commit, the two could swap past
 * each other for ever. */
#include "tinyops/bytes.h"
#include "tinyops/chain.h"

enum { SET = TINYOPS_CHAIN_SET_BYTES };

static int32_t same(const uint8_t *a, const uint8_t *b) { return !tinyops_bytes_differ(a, b, SET); }

static int32_t is_none(const uint8_t *set) {
  uint32_t found = 0;
  for (uint32_t i = 0; i < SET; i++) {
    found |= set[i];
  }
  return found == 0;
}

static void copy(uint8_t *to, const uint8_t *from) {
  for (uint32_t i = 0; i < SET; i++) {
    to[i] = from[i];
  }
}

static int32_t is_last(const tinyops_chain_view *view) {
  return view->position + 1u == view->parts;
}

/* Adds a set to what is offered, once. */
static void offer(tinyops_chain_decision *decision, const uint8_t *set) {
  if (is_none(decision->offered)) {
    copy(decision->offered, set);
  } else if (!same(decision->offered, set)) {
    copy(decision->also, set);
  }
}

/* Whether this part runs a set or holds it ready. */
static int32_t has(const tinyops_chain_view *view, const uint8_t *set) {
  return same(view->running, set) || (view->doubted == 0 && same(view->spare, set));
}

static void offer_own(const tinyops_chain_view *view, tinyops_chain_decision *decision) {
  const int32_t is_ready = view->doubted == 0 && !is_none(view->spare);
  decision->wished = is_ready && view->wished != 0;
  if (decision->wished != 0) {
    offer(decision, view->spare);
  }
  offer(decision, view->running);
  if (is_ready) {
    offer(decision, view->spare);
  }
}

static void offer_of(const tinyops_chain_view *view, tinyops_chain_decision *decision) {
  const int32_t has_first = has(view, view->offered);
  if (has_first) {
    offer(decision, view->offered);
  }
  if (has(view, view->also)) {
    offer(decision, view->also);
  }
  decision->wished = has_first && view->offer_wished != 0 && !is_none(view->offered);
}

/* What the last part is to run, of what every part can. */
static const uint8_t *pick(const tinyops_chain_view *view, const tinyops_chain_decision *decision) {
  const int32_t can_stay = !is_none(view->running) && same(decision->also, view->running);
  return can_stay && decision->wished == 0 ? view->running : decision->offered;
}

static int32_t switches(const tinyops_chain_view *view, const tinyops_chain_decision *decision) {
  if (is_none(view->spare)) {
    return 0;
  }
  if (same(view->spare, view->running)) { /* the same model, made anew: nobody else's matter */
    return view->wished != 0;
  }
  return same(view->spare, is_last(view) ? pick(view, decision) : view->committed);
}

void tinyops_chain_decide(const tinyops_chain_view *view, tinyops_chain_decision *decision) {
  *decision = (tinyops_chain_decision){.wished = 0};
  if (view->position == 0) {
    offer_own(view, decision);
  } else {
    offer_of(view, decision);
  }
  copy(decision->committed, is_last(view) ? view->running : view->committed);
  decision->switches = switches(view, decision) != 0;
}
