/* What parts of a chain decide, for tests on the host.
 *
 *   run_sets answer                                what is known, on stdin, to decisions, on stdout
 *   run_sets explore PARTS FAULTS KINDS REFUSING FIRST
 *
 * `explore` takes every way that a chain of 2 or 3 parts can go while it is given another set, each
 * word between two parts late, doubled or lost, with as many FAULTS at any place. KINDS are
 * letters: c power cut, s power cut in a proof or before a switch is confirmed, l the spare is lost
 * or fails its proof, w another board takes a part's place. REFUSING is the part that is never
 * given B, - for none. FIRST is `install`, all run A and each is given B; `back`, all run B, had A
 * before, and the first is asked for A; or `fresh`, none runs anything. Prints figures; fails with
 * what went wrong. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/chain.h"

enum { PARTS = 3, A = 1, B = 2, UP = 0, DOWN = 1 };
enum { NOTHING = 0, WISHED = 1, ABLE = 2, DOUBTED = 3 }; /* kinds of a spare */

/* What a part hears of a neighbour: of the part before what it offers, of the next the commit. Sets
 * are numbers. */
typedef struct {
  uint8_t is_there, running, offered, also, wished, committed;
} word;

typedef struct {
  uint8_t running, spare, kind;
  word heard[2]; /* from the part before, from the next */
} part;

typedef struct {
  part parts[PARTS];
  word sent[PARTS][2];                 /* under way, up and down */
  uint8_t faults, installs, committed; /* bits: parts given B, sets that the last part has run */
} world;

typedef struct {
  world here;
  uint32_t next;  /* own step to look at in the search for cycles */
  uint8_t colour; /* 0 not looked at, 1 on the way, 2 done */
} found;

static struct {
  uint32_t parts, faults, count, room, slots;
  int refusing;
  const char *kinds, *first;
  found *worlds;
  uint32_t *table; /* of 1 + number in `worlds` */
  uint32_t switches, wholes;
} all;

static void set_of(uint8_t *to, uint32_t number) {
  memset(to, 0, TINYOPS_CHAIN_SET_BYTES);
  if (number != 0) { /* sets differ in one byte, each in another one */
    to[(number * 7) % TINYOPS_CHAIN_SET_BYTES] = (uint8_t)number;
  }
}

static uint8_t number_of(const uint8_t *set) {
  uint8_t own[TINYOPS_CHAIN_SET_BYTES];
  for (uint8_t number = 0; number < 8; number++) {
    set_of(own, number);
    if (memcmp(own, set, sizeof own) == 0) {
      return number;
    }
  }
  fprintf(stderr, "a set that nobody gave\n");
  exit(1);
}

static void decide(const world *w, uint32_t i, tinyops_chain_decision *decision) {
  const part *p = &w->parts[i];
  tinyops_chain_view view = {.position = (uint8_t)i,
                             .parts = (uint8_t)all.parts,
                             .wished = p->kind == WISHED,
                             .doubted = p->kind == DOUBTED,
                             .offer_wished = p->heard[UP].wished};
  set_of(view.running, p->running);
  set_of(view.spare, p->spare);
  set_of(view.offered, p->heard[UP].offered);
  set_of(view.also, p->heard[UP].also);
  set_of(view.committed, p->heard[DOWN].committed);
  tinyops_chain_decide(&view, decision);
}

static word told(const part *p, const tinyops_chain_decision *decision, int way) {
  word w = {.is_there = 1, .running = p->running};
  if (way == UP) {
    w.committed = number_of(decision->committed);
  } else {
    w.wished = decision->wished;
    w.offered = number_of(decision->offered);
    w.also = number_of(decision->also);
  }
  return w;
}

static int is_ready(const part *p, uint32_t set) {
  return p->running == set || ((p->kind == WISHED || p->kind == ABLE) && p->spare == set);
}

static void print(const world *w) {
  static const char *const kinds[] = {"", " asked for", " before", " doubted"};
  for (uint32_t i = 0; i < all.parts; i++) {
    const part *p = &w->parts[i];
    fprintf(stderr, "  part %u runs %c, spare %c%s\n", i, "-ABC"[p->running], "-ABC"[p->spare],
            kinds[p->kind]);
  }
}

static void fail(const world *w, const char *what) {
  fprintf(stderr, "%s, after %u faults\n", what, w->faults);
  print(w);
  exit(1);
}

static uint32_t hash(const world *w) {
  uint32_t h = 2166136261u;
  for (uint32_t i = 0; i < sizeof *w; i++) {
    h = (h ^ ((const uint8_t *)w)[i]) * 16777619u;
  }
  return h ^ h >> 15;
}

/* The number of a world, which it is given when it is new. */
static uint32_t number(const world *w) {
  uint32_t at = hash(w) & (all.slots - 1);
  while (all.table[at] != 0) {
    if (memcmp(&all.worlds[all.table[at] - 1].here, w, sizeof *w) == 0) {
      return all.table[at] - 1;
    }
    at = (at + 1) & (all.slots - 1);
  }
  if (all.count == all.room) {
    fprintf(stderr, "more than %u worlds\n", all.room);
    exit(1);
  }
  all.table[at] = all.count + 1;
  all.worlds[all.count] = (found){.here = *w};
  return all.count++;
}

static void check_switch(const world *w, uint32_t i) {
  const part *p = &w->parts[i];
  all.switches++;
  if (p->spare == p->running) {
    return;
  }
  if (i + 1 < all.parts) {
    if ((w->committed >> p->spare & 1) == 0) {
      fail(w, "a part switches to what the last part never ran");
    }
    return;
  }
  for (uint32_t j = 0; j < all.parts && w->faults == 0; j++) {
    if (!is_ready(&w->parts[j], p->spare)) {
      fail(w, "the last part commits what another part cannot run");
    }
  }
}

/* The `step`th thing that a part does by itself, or 0: there are no more, -1: not now. */
static int own_step(const world *w, uint32_t step, world *to) {
  const uint32_t i = step / 5, what = step % 5;
  tinyops_chain_decision decision;
  if (i >= all.parts) {
    return 0;
  }
  *to = *w;
  if (what < 2) { /* says it, up or down */
    const int way = (int)what;
    decide(w, i, &decision);
    const word said = told(&w->parts[i], &decision, way);
    if ((way == UP ? i == 0 : i + 1 == all.parts) ||
        !memcmp(&said, &w->sent[i][way], sizeof said)) {
      return -1;
    }
    to->sent[i][way] = said;
  } else if (what < 4) { /* hears what is under way from the part before, from the next */
    const int side = what == 2 ? UP : DOWN;
    if (side == UP ? i == 0 : i + 1 == all.parts) {
      return -1;
    }
    const word *said = side == UP ? &w->sent[i - 1][DOWN] : &w->sent[i + 1][UP];
    if (!said->is_there || !memcmp(said, &w->parts[i].heard[side], sizeof *said)) {
      return -1;
    }
    to->parts[i].heard[side] = *said;
  } else {
    part *p = &to->parts[i];
    decide(w, i, &decision);
    if (decision.switches == 0) {
      return -1;
    }
    check_switch(w, i);
    p->running = w->parts[i].spare;
    p->spare = w->parts[i].running;
    p->kind = p->spare != 0 ? ABLE : NOTHING;
    to->committed |= (uint8_t)(i + 1 == all.parts ? 1u << p->running : 0u);
  }
  return 1;
}

static void forget(part *p) { memset(p->heard, 0, sizeof p->heard); }

static void hold(part *p, uint8_t spare, uint8_t kind) {
  p->spare = kind != NOTHING ? spare : 0;
  p->kind = kind;
}

static int has_kind(char kind) { return strchr(all.kinds, kind) != 0; }

/* What comes from outside: hosts, and faults. */
static void outside(const world *w, uint32_t i) {
  const part *p = &w->parts[i];
  const int is_back = strcmp(all.first, "back") == 0;
  world to = *w;
  if ((w->installs >> i & 1) == 0 && (int)i != all.refusing && (!is_back || i == 0)) {
    const uint8_t wish = is_back ? A : B;
    to.installs |= (uint8_t)(1u << i);
    if (p->running != wish) {
      hold(&to.parts[i], wish, WISHED);
    }
    (void)number(&to);
  }
  for (const char *kind = all.kinds; *kind != 0 && w->faults < all.faults; kind++) {
    part *hit = &to.parts[i];
    to = *w;
    to.faults++;
    if (*kind == 'c') {
      forget(hit);
    } else if (*kind == 's' && p->kind != NOTHING) {
      forget(hit);
      hold(hit, p->spare, DOUBTED);
    } else if (*kind == 'p' && p->kind == ABLE) {
      forget(hit);
      hold(hit, p->spare, WISHED);
    } else if (*kind == 'l' && p->kind != NOTHING) {
      hold(hit, 0, NOTHING);
    } else if (*kind == 'w') {
      forget(hit);
      hit->running = p->running == A ? B : A;
      hold(hit, 0, NOTHING);
      to.committed |= (uint8_t)(i + 1 == all.parts ? 1u << hit->running : 0u);
    } else {
      continue;
    }
    (void)number(&to);
  }
}

/* Nothing more happens by itself: the parts that can agree must have agreed. */
static void check_end(const world *w) {
  uint32_t common = 0, running = 0;
  for (uint32_t set = A; set <= B; set++) {
    uint32_t able = 0;
    for (uint32_t i = 0; i < all.parts; i++) {
      able += is_ready(&w->parts[i], set) != 0;
    }
    common |= able == all.parts ? 1u << set : 0u;
  }
  for (uint32_t i = 0; i < all.parts; i++) {
    running |= 1u << w->parts[i].running;
  }
  const int is_one = (running & (running - 1)) == 0 && running != 1;
  if (common != 0 && !is_one) {
    fail(w, "parts that have a set in common end in different ones");
  }
  const part *first = &w->parts[0];
  if (first->kind == WISHED && (common >> first->spare & 1) != 0) {
    fail(w, "what was asked for, and what every part has, does not run");
  }
  if (all.refusing >= 0 && !has_kind('w') && running != 1u << A) {
    fail(w, "a part refuses, and the others do not stay");
  }
  all.wholes += is_one != 0 ? 1u : 0u;
}

static void explore(void) {
  world w;
  memset(&w, 0, sizeof w);
  const int is_back = strcmp(all.first, "back") == 0, is_fresh = strcmp(all.first, "fresh") == 0;
  for (uint32_t i = 0; i < all.parts; i++) {
    part *p = &w.parts[i];
    p->running = is_fresh ? 0 : is_back ? B : A;
    hold(p, A, is_back ? ABLE : NOTHING);
  }
  w.committed = (uint8_t)(1u << w.parts[0].running);
  (void)number(&w);
  for (uint32_t at = 0; at < all.count; at++) {
    const world here = all.worlds[at].here;
    world to;
    int ends = 1, done;
    for (uint32_t step = 0; (done = own_step(&here, step, &to)) != 0; step++) {
      if (done > 0) {
        ends = 0;
        (void)number(&to);
      }
    }
    for (uint32_t i = 0; i < all.parts; i++) {
      outside(&here, i);
    }
    if (ends) {
      check_end(&here);
    }
  }
}

/* Whether parts could go round for ever by themselves: depth first, without recursion. */
static void find_cycle(void) {
  uint32_t *way = malloc(all.count * sizeof *way);
  for (uint32_t first = 0; first < all.count; first++) {
    uint32_t deep = 0;
    if (all.worlds[first].colour == 0) {
      all.worlds[first].colour = 1;
      way[deep++] = first;
    }
    while (deep > 0) {
      found *at = &all.worlds[way[deep - 1]];
      world to;
      const int done = own_step(&at->here, at->next++, &to);
      if (done == 0) {
        at->colour = 2;
        deep--;
      } else if (done > 0) {
        const uint32_t next = number(&to);
        if (all.worlds[next].colour == 1) {
          fail(&all.worlds[next].here, "parts go round for ever");
        } else if (all.worlds[next].colour == 0) {
          all.worlds[next].colour = 1;
          way[deep++] = next;
        }
      }
    }
  }
  free(way);
}

/* Each question is 10 bytes, each answer 5; sets are numbers. */
static int answer(void) {
  uint8_t asked[10];
  while (fread(asked, 1, sizeof asked, stdin) == sizeof asked) {
    tinyops_chain_decision decision;
    tinyops_chain_view view = {.position = asked[0],
                               .parts = asked[1],
                               .wished = asked[2],
                               .doubted = asked[3],
                               .offer_wished = asked[4]};
    set_of(view.running, asked[5]);
    set_of(view.spare, asked[6]);
    set_of(view.offered, asked[7]);
    set_of(view.also, asked[8]);
    set_of(view.committed, asked[9]);
    tinyops_chain_decide(&view, &decision);
    const uint8_t told[5] = {number_of(decision.offered), number_of(decision.also), decision.wished,
                             number_of(decision.committed), decision.switches};
    if (fwrite(told, 1, sizeof told, stdout) != sizeof told) {
      return 1;
    }
  }
  return 0;
}

int main(int argc, char **argv) {
  if (argc == 2 && strcmp(argv[1], "answer") == 0) {
    return answer();
  }
  if (argc != 7) {
    return 2;
  }
  all.parts = (uint32_t)atoi(argv[2]);
  all.faults = (uint32_t)atoi(argv[3]);
  all.kinds = argv[4];
  all.refusing = argv[5][0] == '-' ? -1 : atoi(argv[5]);
  all.first = argv[6];
  all.room = 6000000;
  all.slots = 1u << 24;
  all.worlds = calloc(all.room, sizeof *all.worlds);
  all.table = calloc(all.slots, sizeof *all.table);
  if (all.worlds == 0 || all.table == 0) {
    return 2;
  }
  explore();
  find_cycle();
  printf("%u worlds, %u switches, %u ends whole\n", all.count, all.switches, all.wholes);
  free(all.worlds);
  free(all.table);
  return 0;
}
