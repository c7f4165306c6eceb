/* A chain of parts, each with its slots in simulated flash, that is given another set while it
 * computes; power fails in any operation of flash of any part.
 *
 *   run_switch PARTS SECOND KEY IMAGE ...
 *
 * Of each part the images of sets A and B, which jump to the models below. Everything is run once
 * as it is; then again with power cut in each operation of each part; with SECOND not 0 again with
 * a second cut, in each SECOND-th operation after the first. Every result must be the whole model's
 * of one of the sets; parts must end in one of them; where hosts ask again, in B. Time is virtual.
 */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "flash_model.h"
#include "idle_port.h"
#include "tinyops/boot.h"
#include "tinyops/chain.h"
#include "tinyops/little_endian.h"
#include "tinyops/settings.h"

enum {
  PARTS_MAX = 3,
  SETS = 2,
  QUEUE = 1 << 14,
  ARENA = 256,
  TENSOR = 8,
  FLASH = 0x20000000, /* where the first part's lies; each has 1 MB of addresses */
  TABLE = 0x1f000000, /* where images find the models */
  SECTOR = 1024,
  UNIT = 4,
  SLOT = 2048,
  LOG = 2 * SLOT,
  FLASH_BYTES = LOG + 2 * SECTOR,
  PERIOD_MS = 20,
  STEP_MS = 2,
  AFTER_MS = 300,
  RUN_MS = 1600,
  FLAP_MS = 60000,
  HOST_MS = 60 /* between two looks of a host at its part */
};

#define EXPECT(what, ...) ((what) ? (void)0 : fail(__LINE__, __VA_ARGS__))

typedef struct {
  uint8_t bytes[QUEUE];
  uint32_t put, out;
} wire;

typedef struct {
  uint8_t *bytes;
  uint32_t count;
  uint8_t digest[32];
} file;

typedef struct {
  tinyops_part part;
  tinyops_app_board app;
  tinyops_part_place place;
  tinyops_port port;
  tinyops_port_flash flash;
  tinyops_app_updates updates;
  tinyops_app_places places;
  tinyops_slots slots;
  tinyops_chain_spare spare;
  tinyops_part_inlet inlet;
  tinyops_flash_model model;
  uint8_t unit[256], marks[FLASH_BYTES / UNIT];
  uint8_t keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES];
  uint8_t arena[ARENA] __attribute__((aligned(16)));
  int16_t frame[2];
  wire *down_out, *down_in, *up_in, *up_out;
  uint32_t next_ms, pushed, looked_ms;
  uint8_t asked; /* the host has done what it does once */
  jmp_buf off;
} board;

static board boards[PARTS_MAX];
static wire wires[PARTS_MAX][2]; /* behind part i: downstream, upstream */
static file files[PARTS_MAX][SETS];
static uint8_t key[TINYOPS_SLOTS_KEY_BYTES];
static uint32_t parts, now, results, frames, seen[SETS], last_set, unavailable, cuts;
static uint32_t later; /* the second cut: operations after the first, 0: none */
static int insists;    /* hosts ask again */
static int exchanges;  /* the last board is exchanged, once it runs B, for one that has A alone */
static char what[120]; /* this run */

static void fail(int line, const char *format, int value) {
  fprintf(stderr, "%s: line %d: ", what, line);
  fprintf(stderr, format, value);
  fputc('\n', stderr);
  exit(1);
}

/* -- the model: a frame's number goes through; what is made of it depends on set and part -- */

static uint32_t mix(uint32_t before, uint32_t number, uint32_t set, uint32_t place) {
  return before * 31u + number * 7u + set * 1000u + place + 1u;
}

static uint32_t whole(uint32_t number, uint32_t set) {
  uint32_t value = 0;
  for (uint32_t i = 0; i < parts; i++) {
    value = mix(value, number, set, i);
  }
  return value;
}

static board *of(void *arena) {
  for (uint32_t i = 0; i < parts; i++) {
    if (boards[i].arena == arena) {
      return &boards[i];
    }
  }
  abort();
}

static int32_t init(void *arena) {
  (void)arena;
  return TINYOPS_OK;
}
static int32_t push(void *arena, const int16_t *frame) {
  of(arena)->pushed = (uint16_t)frame[0];
  return TINYOPS_DUE;
}
static int32_t prepare(void *arena) {
  tinyops_put32(arena, of(arena)->pushed);
  tinyops_put32((uint8_t *)arena + 4, 0);
  return TINYOPS_OK;
}
static int32_t invoke(void *arena, uint32_t set, uint32_t place) {
  uint8_t *at = arena;
  const uint32_t number = tinyops_get32(at);
  EXPECT(&boards[place] == of(arena), "an image of part %d runs on another board", (int)place);
  tinyops_put32(at + 16, number);
  tinyops_put32(at + 20, mix(tinyops_get32(at + 4), number, set, place));
  memset(at, 0xee, TENSOR);
  return TINYOPS_OK;
}
#define INVOKE(set, place) \
  static int32_t invoke_##set##_##place(void *arena) { return invoke(arena, set, place); }
INVOKE(0, 0)
INVOKE(0, 1)
INVOKE(0, 2)
INVOKE(1, 0)
INVOKE(1, 1)
INVOKE(1, 2)

typedef int32_t (*entry)(void *arena);
static const entry invokes[SETS][PARTS_MAX] = {{invoke_0_0, invoke_0_1, invoke_0_2},
                                               {invoke_1_0, invoke_1_1, invoke_1_2}};

/* -- a board's port -- */

static void put(wire *self, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count && self->put - self->out < QUEUE; i++) {
    self->bytes[self->put++ % QUEUE] = bytes[i];
  }
}
static int32_t get(wire *self) {
  return self->out != self->put ? self->bytes[self->out++ % QUEUE] : TINYOPS_PORT_NO_BYTE;
}
static void write_wire(void *context, const uint8_t *bytes, uint32_t count) {
  put(context, bytes, count);
}
static int32_t read_byte(void *context) { return get(((board *)context)->down_in); }
static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  put(((board *)context)->down_out, bytes, count);
}
static int32_t read_up(void *context) { return get(((board *)context)->up_in); }
static void write_up(void *context, const uint8_t *bytes, uint32_t count) {
  put(((board *)context)->up_out, bytes, count);
}
static uint32_t now_ms(void *context) {
  (void)context;
  return now;
}
static int32_t poll_sensor(void *context, int16_t *values, uint32_t count) {
  board *self = context;
  (void)count;
  if ((int32_t)(now - self->next_ms) < 0) {
    return 0;
  }
  self->next_ms = now + PERIOD_MS;
  values[0] = (int16_t)(++frames & 0x7fff);
  values[1] = 0;
  return 1;
}

static int32_t lives(board *self, int32_t status) {
  EXPECT(self->model.broken == TINYOPS_FLASH_NO_RULE, "a rule of flash is broken: %d",
         (int)self->model.broken);
  if (self->model.is_off) {
    longjmp(self->off, 1);
  }
  return status;
}
static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  board *self = context;
  return lives(self, tinyops_flash_model_erase(&self->model, address, bytes));
}
static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  board *self = context;
  return lives(self, tinyops_flash_model_program(&self->model, address, bytes, count));
}
static int32_t read_flash(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  board *self = context;
  return lives(self, tinyops_flash_model_read(&self->model, address, bytes, count));
}

static const tinyops_port_stream upstream = {read_up, write_up};
static const tinyops_port_sensor sensor = {idle_start_sensor, poll_sensor, idle_missed};

/* The last part's host. */
static void hear(void *context, const uint8_t *bytes, uint32_t count) {
  static tinyops_app_decoder decoder;
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t length = tinyops_app_decode(&decoder, bytes[i]);
    const uint8_t *payload = decoder.frame + 2;
    if (length > 0 && decoder.frame[0] == TINYOPS_LINK_PART_UNAVAILABLE) {
      unavailable++;
    } else if (length > 0 && decoder.frame[0] == TINYOPS_LINK_RESULT) {
      const uint8_t *outputs = payload + TINYOPS_LINK_RESULT_REPLY_SIZE;
      const uint32_t number = tinyops_get32(outputs), value = tinyops_get32(outputs + 4);
      const int is_b = value == whole(number, 1);
      EXPECT(is_b || value == whole(number, 0), "a result of mixed sets, of frame %d", (int)number);
      last_set = is_b ? 1 : 0;
      seen[last_set]++;
      results++;
    }
  }
}

/* What settings.c would say. */
int32_t tinyops_settings_get(tinyops_settings *settings, uint8_t tag, uint8_t *value,
                             uint32_t room) {
  (void)settings;
  (void)tag;
  (void)room;
  memcpy(value, key, sizeof key);
  return sizeof key;
}

/* Signatures are tests/build/test_slots.py's matter. */
static int32_t believes(const uint8_t *signature, const uint8_t *by, const uint8_t *message,
                        uint32_t count) {
  (void)signature;
  (void)by;
  (void)message;
  (void)count;
  return 0;
}

static const tinyops_boot_table table = {
    .magic = TINYOPS_BOOT_MAGIC,
    .version = TINYOPS_BOOT_VERSION,
    .bytes = sizeof(tinyops_boot_table),
    .sha256_of = tinyops_sha256_of,
    .ed25519_verify = believes,
    .open = tinyops_slots_open,
    .boot = tinyops_slots_boot,
    .running = tinyops_slots_running,
    .begin = tinyops_slots_begin,
    .write = tinyops_slots_write,
    .finish = tinyops_slots_finish,
    .erase = tinyops_slots_erase,
    .test = tinyops_slots_test,
    .start = tinyops_slots_start,
    .confirm = tinyops_slots_confirm,
    .revert = tinyops_slots_revert,
    .again = tinyops_slots_again,
    .describe = tinyops_slots_describe,
};

/* -- a board -- */

static uint32_t origin_of(uint32_t place) { return FLASH + place * 0x100000u; }

/* Power comes: RAM holds noise, flash what it held. */
static void power_on(uint32_t place) {
  board *self = &boards[place];
  static const uint8_t contract[32];
  tinyops_flash_model_power_on(&self->model);
  memset(&self->part, 0xa5, sizeof self->part);
  memset(&self->slots, 0, sizeof self->slots);
  memset(&self->spare, 0, sizeof self->spare);
  memset(&self->inlet, 0xa5, sizeof self->inlet);
  memset(self->arena, 0xa5, sizeof self->arena);
  self->slots.board = "board";
  self->slots.contract = contract;
  self->slots.unit = self->unit;
  self->slots.unit_bytes = sizeof self->unit;
  EXPECT(tinyops_app_attach_updates(&self->updates, &self->slots, &self->places, &table,
                                    &self->port, 0, self->keys) != 0,
         "part %d has no slots", (int)place);
  self->app = (tinyops_app_board){.port = &self->port,
                                  .name = "board",
                                  .contract = contract,
                                  .updates = &self->updates,
                                  .arena = self->arena,
                                  .arena_bytes = ARENA,
                                  .frame = self->frame,
                                  .frame_values = 2,
                                  .rate_millihz = 50000};
  self->place = (tinyops_part_place){.position = (uint8_t)place,
                                     .parts = (uint8_t)parts,
                                     .inlet = place > 0 ? &self->inlet : 0,
                                     .after_ms = AFTER_MS,
                                     .switching = &tinyops_chain_slots,
                                     .switching_context = &self->spare};
  (void)tinyops_part_init(&self->part, &self->app, &self->place);
}

/* As a cable leaves it: A in the first slot of its model. */
static void set_up(uint32_t place) {
  board *self = &boards[place];
  const uint32_t at = origin_of(place);
  uint8_t *content = (uint8_t *)(uintptr_t)at;
  const tinyops_flash_facts facts = {at, FLASH_BYTES, SECTOR, UNIT, 1};
  memset(self, 0, sizeof *self);
  memset(content, 0xff, FLASH_BYTES);
  memcpy(content, files[place][0].bytes, files[place][0].count);
  tinyops_flash_model_open(&self->model, &facts, content, self->marks, 7 + place);
  self->places.slots[TINYOPS_IMAGE_MODEL][0] = (tinyops_slot){at, SLOT};
  self->places.slots[TINYOPS_IMAGE_MODEL][1] = (tinyops_slot){at + SLOT, SLOT};
  self->places.state = (tinyops_slot){at + LOG, 2 * SECTOR};
  self->flash = (tinyops_port_flash){SECTOR, UNIT, erase, program, read_flash};
  self->down_out = &wires[place][0];
  self->down_in = &wires[place][1];
  self->up_in = place > 0 ? &wires[place - 1][0] : 0;
  self->up_out = place > 0 ? &wires[place - 1][1] : 0;
  self->port = (tinyops_port){.context = self,
                              .read_byte = read_byte,
                              .write = write_bytes,
                              .start_ticks = idle_start_ticks,
                              .ticks = idle_ticks,
                              .measure = idle_measure,
                              .now_ms = now_ms,
                              .flash = &self->flash,
                              .sensor = place == 0 ? &sensor : 0,
                              .upstream = place > 0 ? &upstream : 0};
}

/* -- its host: brings B, asks for it -- */

static int is_running(board *self, uint32_t place, uint32_t set) {
  const tinyops_slots_image *known = &self->slots.images[TINYOPS_IMAGE_MODEL];
  const uint32_t slot = tinyops_slots_running(&self->slots, TINYOPS_IMAGE_MODEL);
  return slot != TINYOPS_SLOTS_NONE && !memcmp(known->verified[slot], files[place][set].digest, 32);
}

static void bring(board *self, const file *image) {
  const tinyops_smp_images *calls = &tinyops_app_update_calls;
  const uint32_t model = TINYOPS_IMAGE_MODEL;
  EXPECT(calls->begin(&self->updates, model, image->count, image->digest) >= 0, "begin %d", 0);
  for (uint32_t at = 0; at < image->count;) {
    const uint32_t left = image->count - at;
    const int32_t next = calls->write(&self->updates, at, image->bytes + at, left < 61 ? left : 61);
    EXPECT(next > (int32_t)at, "an image is refused: %d", next);
    at = (uint32_t)next;
  }
}

static void host(uint32_t place) {
  board *self = &boards[place];
  const file *image = &files[place][1];
  const tinyops_slots_image *known = &self->slots.images[TINYOPS_IMAGE_MODEL];
  if (now - self->looked_ms < HOST_MS * (1 + place) || (self->asked && !insists) ||
      is_running(self, place, 1) || known->state != TINYOPS_TRIAL_IDLE) {
    return;
  }
  self->looked_ms = now;
  self->asked = 1; /* before: power may fail in what follows */
  if (memcmp(known->verified[0], image->digest, 32) != 0 &&
      memcmp(known->verified[1], image->digest, 32) != 0) {
    bring(self, image);
  }
  EXPECT(tinyops_app_update_calls.test(&self->updates, TINYOPS_IMAGE_MODEL, image->digest) == 0,
         "test of part %d", (int)place);
}

/* -- a run -- */

static void step(uint32_t place) {
  board *self = &boards[place];
  if (setjmp(self->off) != 0) {
    cuts++;
    self->model.cut_at = 0;
    if (later != 0) {
      self->model.cut_at = self->model.operations + later;
      later = 0;
    }
    while (setjmp(self->off) != 0) { /* a second cut may come while it starts */
      cuts++;
      self->model.cut_at = 0;
    }
    power_on(place);
    return;
  }
  for (uint32_t i = 0; i < 8 && tinyops_part_poll(&self->part) != 0; i++) {
  }
  host(place);
}

/* Only the last part switches of itself. */
static void check_commits(void) {
  static int has_run;
  const uint32_t last = parts - 1;
  has_run = (now > STEP_MS && has_run) || is_running(&boards[last], last, 1);
  for (uint32_t i = 0; i < last; i++) {
    EXPECT(has_run || !is_running(&boards[i], i, 1), "part %d switches without a commit", (int)i);
  }
}

/* Runs it all with power cut in an operation of a part's flash, 0: in none. Returns what it was. */
static void run(uint32_t place, uint32_t operation, uint32_t then) {
  snprintf(what, sizeof what, "%u parts, part %u cut in %u, then in %u, hosts ask %s", parts, place,
           operation, then, insists ? "again" : "once");
  memset(wires, 0, sizeof wires);
  now = results = seen[0] = seen[1] = unavailable = 0;
  later = then;
  for (uint32_t i = 0; i < parts; i++) {
    set_up(i);
    power_on(i);
  }
  boards[place].model.cut_at = operation != 0 ? boards[place].model.operations + operation : 0;
  wire *out = &wires[parts - 1][0];
  uint32_t settled = 0;
  while (now < RUN_MS) {
    now += STEP_MS;
    for (uint32_t i = 0; i < parts; i++) {
      step(i);
    }
    check_commits();
    if (exchanges && now == RUN_MS / 2) {
      EXPECT(is_running(&boards[parts - 1], parts - 1, 1), "part %d is late", (int)parts - 1);
      set_up(parts - 1);
      power_on(parts - 1);
    }
    while (out->out != out->put) {
      hear(0, &out->bytes[out->out++ % QUEUE], 1);
    }
    if (now == RUN_MS - 300) {
      settled = results;
    }
  }
  const int is_b = is_running(&boards[0], 0, 1);
  for (uint32_t i = 0; i < parts; i++) {
    EXPECT(is_running(&boards[i], i, 0) || is_running(&boards[i], i, 1), "part %d has no set",
           (int)i);
    EXPECT(is_running(&boards[i], i, 1) == is_b, "part %d ends in another set", (int)i);
  }
  EXPECT(is_b || !insists, "they do not end in B %s", 0);
  EXPECT(results > settled + 5, "%d results in the end", (int)(results - settled));
  EXPECT(last_set == (uint32_t)is_b, "the last result is of set %d", (int)last_set);
}

/* The part after the first one is gone, and a liar in its place commits one set, then the other, as
 * fast as frames come. Flash wears: the first part follows a few times, then rarely. */
static void flap(void) {
  board *self = &boards[0];
  uint8_t frame[TINYOPS_LINK_FRAME_MAX + 4] = {TINYOPS_LINK_PART_STATE}, *told = frame + 2;
  const tinyops_port line = {.context = &wires[0][1], .write = write_wire};
  const uint32_t until = now + FLAP_MS;
  uint32_t changes = 0;
  int had = is_running(self, 0, 1);
  told[TINYOPS_LINK_PART_STATE_VERSION_AT] = TINYOPS_PART_VERSION;
  told[TINYOPS_LINK_PART_STATE_POSITION_AT] = 1;
  told[TINYOPS_LINK_PART_STATE_PARTS_AT] = (uint8_t)parts;
  while (now < until) {
    now += STEP_MS;
    memset(told + TINYOPS_LINK_PART_STATE_COMMITTED_AT, had != 0 ? 0x50 : 0x51,
           TINYOPS_CHAIN_SET_BYTES);
    tinyops_app_send(&line, frame, 2 + TINYOPS_LINK_PART_STATE_SIZE);
    step(0);
    changes += is_running(self, 0, 1) != had;
    had = is_running(self, 0, 1);
  }
  EXPECT(changes <= 10, "flash was made to change its set %d times", (int)changes);
}

static void take_files(char **names) {
  for (uint32_t i = 0; i < parts; i++) {
    for (uint32_t set = 0; set < SETS; set++) {
      file *one = &files[i][set];
      FILE *stream = fopen(names[SETS * i + set], "rb");
      one->bytes = calloc(1, SLOT);
      EXPECT(stream != 0 && one->bytes != 0, "no image %d", (int)i);
      one->count = (uint32_t)fread(one->bytes, 1, SLOT, stream);
      fclose(stream);
      const uint32_t header = tinyops_get16(one->bytes + 8);
      const uint32_t body = tinyops_get32(one->bytes + 12), tlvs = tinyops_get16(one->bytes + 10);
      tinyops_sha256(one->bytes, header + body + tlvs, one->digest);
    }
  }
}

int main(int argc, char **argv) {
  EXPECT(argc > 4, "%d arguments", argc);
  parts = (uint32_t)atoi(argv[1]);
  const uint32_t every = (uint32_t)atoi(argv[2]), second = (uint32_t)atoi(argv[3]);
  FILE *stream = fopen(argv[4], "rb");
  EXPECT(stream != 0 && fread(key, 1, sizeof key, stream) == sizeof key, "no key %d", 0);
  fclose(stream);
  take_files(argv + 5);
  const int all = PROT_READ | PROT_WRITE | PROT_EXEC;
  const int how = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
  void **models = mmap((void *)(uintptr_t)TABLE, 4096, all, how, -1, 0);
  void *flash = mmap((void *)(uintptr_t)FLASH, 0x100000u * PARTS_MAX, all, how, -1, 0);
  EXPECT(models != MAP_FAILED && flash != MAP_FAILED, "no memory %d", 0);
  for (uint32_t i = 0; i < SETS * PARTS_MAX; i++) {
    const entry model = invokes[i / PARTS_MAX][i % PARTS_MAX];
    int32_t (*const pushed)(void *, const int16_t *) = push;
    memcpy(&models[4 * i], &(entry){init}, sizeof(entry));
    memcpy(&models[4 * i + 1], &pushed, sizeof pushed);
    memcpy(&models[4 * i + 2], &(entry){prepare}, sizeof(entry));
    memcpy(&models[4 * i + 3], &model, sizeof model);
  }
  for (insists = 0; insists < 2; insists++) {
    run(0, 0, 0);
    EXPECT(is_running(&boards[0], 0, 1) && seen[0] > 3 && seen[1] > 3, "%d results of A",
           (int)seen[0]);
    uint32_t operations[PARTS_MAX];
    for (uint32_t i = 0; i < parts; i++) {
      operations[i] = boards[i].model.operations;
    }
    printf("%u results of A, %u of B, %u told to be unavailable\n", seen[0], seen[1], unavailable);
    uint32_t runs = 0, old = 0;
    for (uint32_t i = 0; i < parts; i++) {
      for (uint32_t at = 1; at <= operations[i]; at += every) {
        for (uint32_t then = 0; then <= (second ? operations[i] : 0); then += second ? second : 1) {
          run(i, at, then);
          runs++;
          old += is_running(&boards[0], 0, 0) != 0;
        }
      }
    }
    printf("faults: cuts of power in switches of a chain, hosts ask %s: %u\n",
           insists ? "again" : "once", cuts);
    printf("%u of %u switches stay with A\n", old, runs);
    cuts = 0;
  }
  insists = exchanges = 1;
  run(0, 0, 0);
  insists = exchanges = 0;
  run(0, 0, 0);
  flap();
  return 0;
}
