/* Which set of parts runs; the rules are in chain.h, why they are these in docs/split.md.
 *
 * The last part keeps what it runs while every part can run it and the first has no other wish:
 * if it followed the first part's order always, and the first part its commit, the two could swap
 * past each other for ever. */
#include "tinyops/bytes.h"
#include "tinyops/chain.h"

static const uint8_t none[TINYOPS_SET_BYTES];

static int32_t same(const uint8_t *a, const uint8_t *b) {
  return !tinyops_bytes_differ(a, b, TINYOPS_SET_BYTES);
}

static int32_t is_none(const uint8_t *set) { return same(set, none); }

static void copy(uint8_t *to, const uint8_t *from) {
  for (uint32_t i = 0; i < TINYOPS_SET_BYTES; i++) {
    to[i] = from[i];
  }
}

static int32_t is_last(const tinyops_set_known *known) {
  return known->position + 1u == known->parts;
}

/* Appends a set to what is offered, once. Returns how many there are. */
static uint32_t offer(tinyops_part_word *say, uint32_t count, const uint8_t *set) {
  if (is_none(set) || (count != 0 && same(say->offered[0], set))) {
    return count;
  }
  copy(say->offered[count], set);
  return count + 1u;
}

/* Whether this part runs a set or has it ready. */
static int32_t has(const tinyops_set_known *known, const uint8_t *set) {
  return same(known->running, set) || (known->doubted == 0 && same(known->spare, set));
}

static void offer_own(const tinyops_set_known *known, tinyops_part_word *say) {
  const int32_t is_ready = known->doubted == 0;
  say->wished = (uint8_t)(is_ready && known->wished != 0 && !is_none(known->spare));
  uint32_t count = say->wished != 0 ? offer(say, 0, known->spare) : 0;
  count = offer(say, count, known->running);
  if (is_ready && count < TINYOPS_SET_OFFERS) {
    (void)offer(say, count, known->spare);
  }
}

static void offer_of(const tinyops_set_known *known, const tinyops_part_word *up,
                     tinyops_part_word *say) {
  uint32_t count = 0;
  for (uint32_t i = 0; i < TINYOPS_SET_OFFERS; i++) {
    if (has(known, up->offered[i])) {
      count = offer(say, count, up->offered[i]);
    }
  }
  say->wished = (uint8_t)(up->wished != 0 && !is_none(up->offered[0]) &&
                          same(say->offered[0], up->offered[0]));
}

/* What the last part is to run, of what every part can. */
static const uint8_t *pick(const tinyops_set_known *known, const tinyops_part_word *say) {
  return say->wished == 0 && same(say->offered[1], known->running) ? known->running
                                                                   : say->offered[0];
}

static tinyops_set_action act(const tinyops_set_known *known, const tinyops_part_word *say) {
  const uint8_t *wanted = none;
  if (is_none(known->spare)) {
    return TINYOPS_SET_STAY;
  }
  if (same(known->spare, known->running)) { /* the same model, made anew: nobody else's matter */
    return known->wished != 0 ? TINYOPS_SET_SWITCH : TINYOPS_SET_STAY;
  }
  if (is_last(known)) {
    wanted = pick(known, say);
  } else if (say->is_committed != 0) {
    wanted = say->committed;
  }
  return same(known->spare, wanted) ? TINYOPS_SET_SWITCH : TINYOPS_SET_STAY;
}

/* The word of the part at `position`, null where it says that it is another one. */
static const tinyops_part_word *fitting(const tinyops_set_known *known,
                                        const tinyops_part_word *word, uint32_t position) {
  return word != 0 && word->position == position && word->parts == known->parts ? word : 0;
}

static void find(tinyops_set_choice *choice, tinyops_set_state state, uint32_t part) {
  if (choice->state == TINYOPS_SET_WHOLE) {
    choice->state = state;
    choice->part = (uint8_t)part;
  }
}

/* What a neighbour's word says of the chain. `beyond`: whom it has lost, on its own side. */
static void judge(const tinyops_set_known *known, const tinyops_part_word *heard,
                  const tinyops_part_word *word, uint32_t position, tinyops_set_choice *choice) {
  if (word == 0) {
    find(choice, heard == 0 ? TINYOPS_SET_LOST : TINYOPS_SET_STRANGER, position);
    choice->say.lost = (uint8_t)position;
    return;
  }
  const int32_t is_beyond =
      position < known->position ? word->lost < position : word->lost > position;
  if (word->lost < known->parts && is_beyond) {
    find(choice, TINYOPS_SET_LOST, word->lost);
    choice->say.lost = word->lost;
  }
  if (!same(word->running, known->running)) {
    find(choice, TINYOPS_SET_MIXED, position);
  }
}

void tinyops_set_choose(const tinyops_set_known *known, tinyops_set_choice *choice) {
  const tinyops_part_word *up = fitting(known, known->up, known->position - 1u);
  const tinyops_part_word *down = fitting(known, known->down, known->position + 1u);
  tinyops_part_word *say = &choice->say;
  *choice = (tinyops_set_choice){.part = TINYOPS_PART_NONE};
  say->position = known->position;
  say->parts = known->parts;
  say->lost = TINYOPS_PART_NONE;
  copy(say->running, known->running);
  if (known->position == 0) {
    offer_own(known, say);
  } else if (up != 0) {
    offer_of(known, up, say);
  }
  if (is_last(known)) {
    say->is_committed = 1;
    copy(say->committed, known->running);
  } else if (down != 0) {
    say->is_committed = down->is_committed;
    copy(say->committed, down->committed);
  }
  choice->action = act(known, say);
  if (is_none(known->running)) {
    find(choice, TINYOPS_SET_ABSENT, known->position);
  }
  if (known->position != 0) {
    judge(known, known->up, up, known->position - 1u, choice);
  }
  if (!is_last(known)) {
    judge(known, known->down, down, known->position + 1u, choice);
    if (say->is_committed == 0) {
      find(choice, TINYOPS_SET_LOST, known->parts - 1u);
    } else if (!same(say->committed, known->running)) {
      find(choice, TINYOPS_SET_MIXED, known->parts - 1u);
    }
  }
}
