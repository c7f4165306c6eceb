/* Settings on a simulated flash whose power fails at a chosen operation. For tests/build.
 *
 * usage: settings_flash PROGRAM_BYTES ERASE_BYTES CUT FILE...
 * Each FILE holds values that are written one after another. CUT is the operation (from 1; a unit
 * programmed or a sector erased) that never ends: its bits read at random until the sector is
 * erased again; 0: none. After the cut the board starts again and reads. Prints the number of
 * operations, whether power failed, which FILE counts (from 1, 0: none) as read ten times, and the
 * region in hex. A second program of a unit between two erases ends the run. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/settings.h"

enum { REGION_MAX = 65536, UNIT_MAX = 1024, FILES_MAX = 8, READS = 10 };
#define ORIGIN 0x1000u

typedef struct {
  uint8_t bytes[REGION_MAX];
  uint8_t torn[REGION_MAX];    /* 1: reads at random */
  uint8_t written[REGION_MAX]; /* by unit: 1 since the last erase */
  uint32_t program, erase, count, cut, dead, noise, alternating;
} chip;

static uint8_t noise(chip *c) {
  if (c->alternating) {
    return 0;
  }
  c->noise = c->noise * 1664525u + 1013904223u;
  return (uint8_t)(c->noise >> 24);
}

/* Whether this operation is the one that never ends. */
static int32_t fails(chip *c) {
  c->count++;
  if (c->count == c->cut) {
    c->dead = 1;
  }
  return c->dead != 0;
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  chip *c = context;
  const uint32_t at = address - ORIGIN;
  if (at % c->erase != 0u || bytes % c->erase != 0u) {
    abort();
  }
  for (uint32_t s = at; s < at + bytes; s += c->erase) {
    if (c->dead) {
      return -1;
    }
    const int32_t bad = fails(c);
    memset(c->torn + s, bad, c->erase);
    memset(c->bytes + s, 0xff, c->erase);
    memset(c->written + s, bad, c->erase);
  }
  return c->dead ? -1 : 0;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  chip *c = context;
  const uint32_t at = address - ORIGIN;
  if (at % c->program != 0u || count % c->program != 0u) {
    abort();
  }
  for (uint32_t u = 0; u < count; u += c->program) {
    if (c->dead) {
      return -1;
    }
    if (c->written[at + u]) {
      abort(); /* a unit is programmed once */
    }
    memset(c->torn + at + u, fails(c), c->program);
    memset(c->written + at + u, 1, c->program);
    memcpy(c->bytes + at + u, bytes + u, c->program);
  }
  return c->dead ? -1 : 0;
}

static int32_t read_bytes(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  chip *c = context;
  uint32_t wrong = 0;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t at = address - ORIGIN + i;
    bytes[i] = c->torn[at] ? (uint8_t)(c->bytes[at] | noise(c)) : c->bytes[at];
    wrong |= c->torn[at];
  }
  if (wrong && c->alternating && (c->noise++ & 1u)) {
    bytes[0] ^= 1u;
  }
  return 0;
}

static uint8_t values[FILES_MAX][TINYOPS_SETTINGS_VALUES_MAX + 1];
static uint32_t lengths[FILES_MAX];

/* Which file's values count; they are compared whole, through the value that each of them has. */
static int32_t who(tinyops_settings *s, int32_t files) {
  if (tinyops_settings_open(s) != 0) {
    return 0;
  }
  uint8_t found[TINYOPS_SETTINGS_VALUES_MAX];
  for (int32_t f = 0; f < files; f++) {
    uint32_t at = 0;
    int32_t same = s->length == lengths[f];
    while (same && at < lengths[f]) {
      const uint32_t length = values[f][at + 1] | (uint32_t)values[f][at + 2] << 8;
      const int32_t got = tinyops_settings_get(s, values[f][at], found, sizeof found);
      same = got == (int32_t)length && memcmp(found, values[f] + at + 3, length) == 0;
      at += 3u + length;
    }
    if (same) {
      return f + 1;
    }
  }
  return -1;
}

/* In pieces of 7 bytes. Returns 0 or what was refused. */
static int32_t write_values(tinyops_settings *s, int32_t f) {
  int32_t at = lengths[f] == 0u ? tinyops_settings_begin(s, 0) : 0;
  while (at >= 0 && (uint32_t)at < lengths[f]) {
    const uint32_t left = lengths[f] - (uint32_t)at;
    at = tinyops_settings_take_piece(s, (uint32_t)at, lengths[f], values[f] + at,
                                     left < 7u ? left : 7u);
  }
  return at < 0 ? at : 0;
}

/* What management reads, in pieces of 5 bytes, in hex. */
static void print_public(tinyops_settings *s) {
  uint32_t length = 1;
  uint8_t piece[5];
  for (uint32_t at = 0; at < length;) {
    const int32_t count = tinyops_settings_give_piece(s, at, piece, sizeof piece, &length);
    for (int32_t i = 0; i < count; i++) {
      printf("%02x", piece[i]);
    }
    if (count <= 0) {
      break;
    }
    at += (uint32_t)count;
  }
  putchar('\n');
}

int main(int argc, char **argv) {
  static chip c;
  static uint8_t unit[UNIT_MAX];
  if (argc < 5 || argc - 4 > FILES_MAX) {
    return 64;
  }
  c.program = (uint32_t)atoi(argv[1]);
  c.erase = (uint32_t)atoi(argv[2]);
  c.alternating = argv[3][0] == '-';
  c.cut = (uint32_t)abs(atoi(argv[3]));
  memset(c.bytes, 0xff, sizeof c.bytes);
  const int32_t files = argc - 4;
  for (int32_t f = 0; f < files; f++) {
    FILE *in = fopen(argv[4 + f], "rb");
    if (in == NULL) {
      return 66;
    }
    lengths[f] = (uint32_t)fread(values[f], 1, sizeof values[f], in);
    fclose(in);
  }
  const tinyops_port_flash flash = {c.erase, c.program, erase, program, read_bytes};
  tinyops_settings s = {.flash = &flash, .context = &c, .origin = ORIGIN, .unit = unit};
  s.bytes = 2u * (c.erase < 1024u ? 1024u : c.erase);
  s.unit_bytes = c.program < 32u ? 32u : c.program;
  (void)tinyops_settings_open(&s);
  for (int32_t f = 0; f < files && !c.dead; f++) {
    const int32_t status = write_values(&s, f);
    if (status != 0 && !c.dead) {
      printf("refused %d %d\n", f + 1, status);
    }
  }
  const uint32_t cut = c.dead;
  c.dead = 0;
  printf("%u %u", c.count, cut);
  for (int32_t i = 0; i < READS; i++) {
    printf(" %d", who(&s, files));
  }
  putchar('\n');
  for (uint32_t i = 0; i < s.bytes; i++) {
    printf("%02x", c.bytes[i]);
  }
  putchar('\n');
  print_public(&s);
  if (cut) { /* what a cut left can be written over */
    (void)tinyops_settings_open(&s);
    c.cut = 0;
    const int32_t status = write_values(&s, files - 1);
    printf("%d %d\n", status, who(&s, files));
  }
  return 0;
}
