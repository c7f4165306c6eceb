/* A device on simulated flash that does what it is told. For tests/build/test_slots.py.
 *
 * usage: slots_run LAYOUT(13 numbers) KEYS
 * Takes commands on standard input, one a line; answers each with a number or more. IMAGE is 0 or
 * 1; FILEs are numbered by `file PATH` from 0. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slots_device.h"

enum { FILES = 64, LINE = 1200 };

static slots_device d;
static slots_file files[FILES];
static uint32_t file_count;

static void print_info(const tinyops_image_info *info) {
  printf(" %u %u %u %u %u %u.%u.%u+%u %u %u %u", info->header_bytes, info->body_bytes,
         info->total_bytes, info->kind, info->counter, info->major, info->minor, info->revision,
         info->build, info->has_golden, info->golden_seed, info->golden_crc);
}

static int32_t write_piece(uint32_t file, uint32_t offset, uint32_t count) {
  EXPECT(offset + count <= files[file].count, "no such piece");
  return tinyops_slots_write(&d.slots, offset, files[file].bytes + offset, count);
}

static int32_t flip(uint32_t address, uint32_t bit) {
  d.model.content[address - d.layout.facts.origin] ^= (uint8_t)(1u << bit);
  return 0;
}

static void print_state(uint32_t image) {
  const tinyops_slots_image *state = &d.slots.images[image];
  printf("%d %d %u %u %u", (int8_t)state->active, (int8_t)state->trial, state->state,
         state->outcome, state->counter);
}

/* Fails in the operation that is `count` from now on. */
static int32_t cut_after(uint32_t count) {
  d.model.cut_at = d.model.operations + count;
  return 0;
}

static int32_t cable(uint32_t image, uint32_t slot, uint32_t file) {
  slots_cable(&d, &d.layout.slots[image][slot], file < FILES ? &files[file] : NULL);
  return 0;
}

static int32_t forget_log(void) {
  slots_cable(&d, &d.layout.state, NULL);
  return 0;
}

static int32_t set_contract(uint32_t value) {
  memset(d.contract, (int)value, sizeof d.contract);
  return 0;
}

static int32_t set_keys(uint32_t count) {
  d.key_count = count;
  return 0;
}

/* The bits of this address read right, wrong, right, ... */
static int32_t flicker(uint32_t address) {
  d.flicker = address;
  d.flickered = 0;
  return 0;
}

static int32_t test_zeros(uint32_t image) {
  static const uint8_t zeros[TINYOPS_SLOTS_DIGEST_BYTES];
  return tinyops_slots_test(&d.slots, image, zeros);
}

static int32_t load(const char *path) {
  files[file_count++] = slots_load(path);
  return (int32_t)file_count - 1;
}

static int32_t begin(uint32_t image, uint32_t file, uint32_t has_digest) {
  return tinyops_slots_begin(&d.slots, image, files[file].count,
                             has_digest ? files[file].digest : NULL);
}

/* One command; `a` to `c` are its numbers. Returns what to print. */
static int32_t obey(const char *verb, uint32_t a, uint32_t b, uint32_t c) {
  tinyops_slots *s = &d.slots;
  const struct {
    const char *verb;
    int32_t (*call)(tinyops_slots *, uint32_t);
  } plain[] = {{"erase", tinyops_slots_erase},
               {"confirm", tinyops_slots_confirm},
               {"again", tinyops_slots_again}};
  for (uint32_t i = 0; i < sizeof plain / sizeof plain[0]; i++) {
    if (strcmp(verb, plain[i].verb) == 0) {
      return plain[i].call(s, a);
    }
  }
#define WHEN(name, value)          \
  if (strcmp(verb, (name)) == 0) { \
    return (value);                \
  }
  WHEN("power", slots_power_on(&d))
  WHEN("boot", tinyops_slots_boot(s, a, NULL))
  WHEN("running", (int8_t)tinyops_slots_running(s, a))
  WHEN("cable", cable(a, b, c))
  WHEN("forget", forget_log())
  WHEN("upload", slots_upload(&d, a, &files[b], c == 0 ? 100 : c))
  WHEN("begin", begin(a, b, c))
  WHEN("bytes", tinyops_slots_begin(s, a, b, NULL))
  WHEN("write", write_piece(a, b, c))
  WHEN("finish", tinyops_slots_finish(s))
  WHEN("test", tinyops_slots_test(s, a, files[b].digest))
  WHEN("test-zeros", test_zeros(a))
  WHEN("start", tinyops_slots_start(s, a, NULL))
  WHEN("revert", tinyops_slots_revert(s, a, (tinyops_trial_outcome)b))
  WHEN("keys", set_keys(a))
  WHEN("contract", set_contract(a))
  WHEN("flip", flip(a, b))
  WHEN("cut", cut_after(a))
  WHEN("operations", (int32_t)d.model.operations)
  WHEN("pauses", (int32_t)d.pauses)
  WHEN("flicker", flicker(a))
  WHEN("record", (int32_t)s->record)
  WHEN("next", (int32_t)s->next)
  WHEN("count", (int32_t)(s->sequence = a))
  WHEN("sequence", (int32_t)s->sequence)
  WHEN("unit", (int32_t)(d.layout.unit_bytes = a))
  slots_fail(__FILE__, __LINE__, "no such command: %s", verb);
  return 0;
}

static void obey_line(char *line) {
  char verb[16];
  char path[LINE];
  uint32_t n[3] = {0};
  tinyops_image_info info;
  if (sscanf(line, "file %1000s", path) == 1) {
    printf("%d", load(path));
  } else if (sscanf(line, "state %u", &n[0]) == 1) {
    print_state(n[0]);
  } else if (sscanf(line, "describe %u %u", &n[0], &n[1]) == 2) {
    const int32_t status = tinyops_slots_describe(&d.slots, n[0], n[1], &info);
    printf("%d", status);
    if (status == 0) {
      print_info(&info);
    }
  } else {
    EXPECT(sscanf(line, "%15s %u %u %u", verb, &n[0], &n[1], &n[2]) >= 1, "no command");
    printf("%d", obey(verb, n[0], n[1], n[2]));
  }
  EXPECT(d.model.broken == 0, "0x%08x %s", d.model.broken_at,
         tinyops_flash_rule_text(d.model.broken));
  putchar('\n');
  fflush(stdout);
}

int main(int argc, char **argv) {
  static char line[LINE];
  static slots_file key;
  EXPECT(argc == 15, "usage: see the source");
  slots_device_open(&d, argv + 1);
  key = slots_load(argv[14]);
  memcpy(d.keys, key.bytes, key.count);
  d.key_count = key.count / TINYOPS_SLOTS_KEY_BYTES;
  while (fgets(line, sizeof line, stdin) != NULL) {
    obey_line(line);
  }
  return 0;
}
