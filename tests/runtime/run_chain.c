/* A chain of two or three parts in one program, on lines that lose, double, delay, damage and cut
 * frames, with parts that start again or run another set for a while. Time is virtual.
 *
 *   run_chain SEED PARTS FAULTS(per mille) MS [quiet | cut | restart | mixed | tested | alone |
 * busy]
 *
 * busy: parts behind the first compute for up to half of the time limit, while the others go on.
 *
 * Every result of the last part is compared with the whole model's for the frame that it names, of
 * one of the two sets; what belongs to neither ends the program with 1. Prints what was seen: in
 * the time with faults, and after it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "idle_port.h"
#include "tinyops/chain.h"
#include "tinyops/little_endian.h"
#include "tinyops/manage.h"

#ifndef TENSOR_BYTES
#define TENSOR_BYTES 1152
#endif
#ifndef AFTER_MS
#define AFTER_MS 400
#endif

enum {
  PARTS_MAX = 3,
  QUEUE = 1 << 16,
  FRAME_MAX = 1024,
  A = TENSOR_BYTES, /* of the tensors that cross */
  B = 4,
  C = 700,
  USED = (A + C + 16 + 15) / 16 * 16, /* of an arena */
  ROOMY = 2 * (USED + A) / 16 * 16,
  OUT = 8,
  PERIOD_MS = 40,
  QUESTION_MAX = 12, /* bytes of a frame */
  BYTES_A_MS = 12
};

/* -- the model: what it computes depends on the set -- */

static uint32_t mix(uint32_t value) {
  value ^= value >> 16;
  value *= 0x7feb352du;
  value ^= value >> 15;
  value *= 0x846ca68bu;
  return value ^ value >> 16;
}

static uint32_t hash(const uint8_t *bytes, uint32_t count, uint32_t salt) {
  uint32_t found = mix(salt + 1);
  for (uint32_t i = 0; i < count; i++) {
    found = mix(found ^ bytes[i]);
  }
  return found;
}

static void spread(uint8_t *to, uint32_t count, uint32_t seed) {
  for (uint32_t i = 0; i < count; i++) {
#if defined(NO_ZEROS) /* which take the most bytes on a line */
    to[i] = (uint8_t)mix(seed + i) | 1u;
#else
    to[i] = (uint8_t)(mix(seed + i) >> 8) % 5 == 0 ? 0 : (uint8_t)mix(seed + i);
#endif
  }
}

/* A frame's number is its input; it stays in B, which the middle part only passes on. */
static void first_of(uint32_t number, uint32_t set, uint8_t *a, uint8_t *b) {
  tinyops_put32(b, number);
  spread(a, A, mix(number) ^ set);
}

static void middle_of(const uint8_t *a, uint32_t set, uint8_t *c) {
  spread(c, C, hash(a, A, set + 10));
}

static void last_of(const uint8_t *b, const uint8_t *c, uint32_t count, uint32_t set,
                    uint8_t *out) {
  memcpy(out, b, B);
  tinyops_put32(out + 4, hash(c, count, set + 20) ^ hash(b, B, set));
}

static void whole(uint32_t number, uint32_t parts, uint32_t set, uint8_t *out) {
  uint8_t a[A], b[B], c[C];
  first_of(number, set, a, b);
  middle_of(a, set, c);
  last_of(b, parts == 2 ? a : c, parts == 2 ? A : C, set, out);
}

/* -- a board -- */

typedef struct {
  uint8_t bytes[QUEUE];
  uint32_t put, got, out; /* in, released to the reader, read */
  uint8_t frame[FRAME_MAX];
  uint32_t length;
  uint32_t lead, carried[256], frames[256]; /* bytes and frames by type */
  uint32_t questions;                       /* pieces without data */
  uint8_t late[FRAME_MAX];                  /* a frame that the next one overtakes */
  uint32_t late_length;
  int cut;
} wire;

typedef struct board {
  tinyops_part part;
  tinyops_app_board app;
  tinyops_part_place place;
  tinyops_part_inlet inlet;
  tinyops_app_management management;
  tinyops_port port;
  uint32_t words[sizeof(tinyops_model_part) / 4 + 3 * 4];
  tinyops_model_header header;
  uint8_t arena[ROOMY] __attribute__((aligned(16)));
  int16_t frame[2];
  wire *down_out, *down_in, *up_in, *up_out;
  uint32_t set, pushed, next_ms;
  int computes;
} board;

static board boards[PARTS_MAX];
static wire wires[PARTS_MAX][2]; /* behind part i: downstream, upstream */
static int busy;
static int tested; /* hosts have the second part test itself, which is roomy then */
static uint32_t parts, now, faults, chance;
static uint32_t results, unavailable, lost_named, wrong, frame_number, last_seen;

static uint32_t roll(uint32_t below) {
  chance = chance * 1664525u + 1013904223u;
  return (uint32_t)((uint64_t)(chance >> 8) * below >> 24);
}

static int happens(void) { return roll(1000) < faults; }

static void put(wire *self, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count && self->put - self->out < QUEUE; i++) {
    self->bytes[self->put++ % QUEUE] = bytes[i];
  }
}

/* A frame goes over the line, or not. */
static void deliver(wire *self) {
  uint8_t *frame = self->frame;
  uint32_t length = self->length;
  self->length = 0;
  if (self->cut || happens()) {
    return;
  }
  if (happens()) {
    frame[roll(length)] ^= (uint8_t)(1u << roll(8));
  }
  if (happens()) {
    length -= roll(length);
  }
  if (length > 0 && self->late_length == 0 && happens()) {
    memcpy(self->late, frame, length);
    self->late_length = length;
    return;
  }
  put(self, frame, length);
  if (happens()) {
    put(self, frame, length);
  }
  put(self, self->late, self->late_length);
  self->late_length = 0;
}

/* A frame's second byte, behind that of its first run, is its type. */
static void count_frame(wire *self) {
  if (self->length == 1) {
    self->lead++;
  } else {
    self->carried[self->frame[1]] += self->length + self->lead;
    self->frames[self->frame[1]]++;
    self->questions += self->frame[1] == TINYOPS_LINK_PART_PIECE && self->length < QUESTION_MAX;
    self->lead = 0;
  }
}

static void write_wire(wire *self, const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; i++) {
    self->frame[self->length++] = bytes[i];
    if (bytes[i] == 0 || self->length == FRAME_MAX) {
      count_frame(self);
      deliver(self);
    }
  }
}

static int32_t read_wire(wire *self) {
  return self->out != self->got ? self->bytes[self->out++ % QUEUE] : TINYOPS_PORT_NO_BYTE;
}

static void pass_time(wire *self) {
  const uint32_t left = self->put - self->got;
  self->got += left < BYTES_A_MS ? left : BYTES_A_MS;
}

static int32_t read_byte(void *context) { return read_wire(((board *)context)->down_in); }
static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  write_wire(((board *)context)->down_out, bytes, count);
}
static int32_t read_up(void *context) { return read_wire(((board *)context)->up_in); }
static void write_up(void *context, const uint8_t *bytes, uint32_t count) {
  write_wire(((board *)context)->up_out, bytes, count);
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
  frame_number++;
  values[0] = (int16_t)frame_number;
  values[1] = (int16_t)(frame_number >> 16);
  return 1;
}

static const tinyops_port_stream upstream = {read_up, write_up};
static const tinyops_port_sensor sensor = {idle_start_sensor, poll_sensor, idle_missed};

/* The last part's host: the program itself. */
static void hear(void *context, const uint8_t *bytes, uint32_t count) {
  static tinyops_app_decoder decoder;
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    const uint32_t length = tinyops_app_decode(&decoder, bytes[i]);
    const uint8_t *payload = decoder.frame + 2;
    if (length > 0 && decoder.frame[0] == TINYOPS_LINK_PART_UNAVAILABLE) {
      unavailable++;
      lost_named |= payload[5] == TINYOPS_PART_LOST ? 1u << payload[4] : 0;
    }
    if (length > 0 && decoder.frame[0] == TINYOPS_LINK_RESULT) {
      const uint8_t *outputs = payload + TINYOPS_LINK_RESULT_REPLY_SIZE;
      uint8_t expected[2][OUT];
      last_seen = tinyops_get32(outputs);
      whole(last_seen, parts, 0, expected[0]);
      whole(last_seen, parts, 1, expected[1]);
      results++;
      wrong += memcmp(outputs, expected[0], OUT) != 0 && memcmp(outputs, expected[1], OUT) != 0;
    }
  }
}

/* -- its models; the arena says whose -- */

static board *of(void *arena) {
  for (uint32_t i = 0; i < PARTS_MAX; i++) {
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
  of(arena)->pushed = (uint16_t)frame[0] | (uint32_t)(uint16_t)frame[1] << 16;
  return TINYOPS_DUE;
}
static int32_t prepare(void *arena) {
  uint8_t *at = arena;
  tinyops_put32(at, of(arena)->pushed);
  return TINYOPS_OK;
}

static void go_on(void);

/* Whoever computes hears and says nothing meanwhile; the others do. */
static void take_time(board *self) {
  const uint32_t end = now + roll(AFTER_MS / 2u);
  self->computes = 1;
  while ((int32_t)(end - now) > 0) {
    now++;
    go_on();
  }
  self->computes = 0;
}

/* First: input at 0, A at 16, B at 1168; B is made there. Middle: A at 0, C at 1152; B is held.
 * Last: B at 0, A or C at 16, outputs at 0. Inputs are not preserved. */
static int32_t invoke(void *arena) {
  board *self = of(arena);
  uint8_t *at = arena;
  if (busy && self != &boards[0]) {
    take_time(self);
  }
  if (self == &boards[0]) {
    first_of(tinyops_get32(at), self->set, at + 16, at + 16 + A);
  } else if (self == &boards[parts - 1]) {
    uint8_t outputs[OUT];
    last_of(at, at + 16, parts == 2 ? A : C, self->set, outputs);
    memcpy(at, outputs, OUT);
  } else {
    middle_of(at, self->set, at + A);
    memset(at, 0xee, A);
  }
  return TINYOPS_OK;
}

static void put_tensor(uint32_t *words, uint32_t bytes, uint32_t arena, uint32_t held) {
  words[0] = bytes;
  words[1] = arena;
  words[2] = held;
}

static void describe(board *self, uint32_t place, uint32_t set) {
  const uint32_t none = TINYOPS_MODEL_NOWHERE;
  const uint32_t crossing = parts == 2 ? A : C;
  uint32_t *tensors = self->words + sizeof(tinyops_model_part) / 4;
  tinyops_model_part part = {.magic = TINYOPS_MODEL_PART_MAGIC,
                             .position = (uint16_t)place,
                             .parts = (uint16_t)parts,
                             .takes_bytes = A + B,
                             .gives_bytes = A + B,
                             .takes = 2,
                             .gives = 2};
  memset(part.set, (int)(0x50 + set), sizeof(part.set));
  if (place == 0) {
    part.takes = 1;
    part.takes_bytes = 4;
    put_tensor(tensors, 4, 0, none);
    put_tensor(tensors + 3, A, 16, none);
    put_tensor(tensors + 6, B, 16 + A, none);
  } else if (place + 1 == parts) {
    part.gives = 1;
    part.takes_bytes = crossing + B;
    part.gives_bytes = OUT;
    put_tensor(tensors + (parts == 2 ? 3 : 0), B, 0, none);
    put_tensor(tensors + (parts == 2 ? 0 : 3), crossing, 16, none);
    put_tensor(tensors + 6, OUT, 0, none);
  } else {
    part.gives_bytes = B + C;
    part.held_bytes = B;
    put_tensor(tensors, A, 0, none);
    put_tensor(tensors + 3, B, none, 0);
    put_tensor(tensors + 6, B, none, 0);
    put_tensor(tensors + 9, C, A, none);
  }
  memcpy(self->words, &part, sizeof(part));
}

/* Power comes: RAM holds noise. `roomy`: outputs are copied, the next inference need not wait. */
static void start(uint32_t place, uint32_t set) {
  board *self = &boards[place];
  static const uint8_t contract[32];
  const int roomy = place % 2 == 0 || tested;
  self->set = set;
  memset(&self->part, 0xa5, sizeof(self->part));
  memset(self->arena, 0xa5, sizeof(self->arena));
  describe(self, place, set);
  self->header = (tinyops_model_header){.magic = TINYOPS_MODEL_MAGIC,
                                        .abi = TINYOPS_MODEL_ABI,
                                        .header_bytes = sizeof(tinyops_model_header),
                                        .arena_bytes = USED,
                                        .input_bytes = 4,
                                        .output_bytes = OUT,
                                        .frame_values = place == 0 ? 2 : 0,
                                        .window_frames = place == 0,
                                        .hop_frames = place == 0};
  self->port = (tinyops_port){.context = self,
                              .read_byte = read_byte,
                              .write = place + 1 == parts ? hear : write_bytes,
                              .start_ticks = idle_start_ticks,
                              .ticks = idle_ticks,
                              .measure = idle_measure,
                              .now_ms = now_ms,
                              .sensor = place == 0 ? &sensor : NULL,
                              .upstream = place > 0 ? &upstream : NULL};
  self->app = (tinyops_app_board){.port = &self->port,
                                  .name = "board",
                                  .contract = contract,
                                  .loaded = {&self->header, init, push, prepare, invoke},
                                  .arena = self->arena,
                                  .arena_bytes = roomy ? ROOMY : USED + 16,
                                  .frame = self->frame,
                                  .frame_values = 2,
                                  .rate_millihz = 1000};
  self->place = (tinyops_part_place){.position = (uint8_t)place,
                                     .parts = (uint8_t)parts,
                                     .after_ms = AFTER_MS,
                                     .inlet = place > 0 ? &self->inlet : NULL,
                                     .words = self->words};
  self->down_out = &wires[place][0];
  self->down_in = &wires[place][1];
  self->up_in = place > 0 ? &wires[place - 1][0] : NULL;
  self->up_out = place > 0 ? &wires[place - 1][1] : NULL;
  if (tinyops_part_init(&self->part, &self->app, &self->place) != TINYOPS_OK) {
    (void)fprintf(stderr, "part %u cannot start\n", place);
    exit(2);
  }
  static const tinyops_app_release release;
  (void)tinyops_app_manage(&self->management, &self->part.app, &self->port, &release);
}

/* A host has a model run by itself, which uses the arena. */
static void test(board *self) {
  const tinyops_smp_board *asked = &self->management.board;
  tinyops_smp_test found = {0};
  tinyops_smp_bench timed = {0};
  if (roll(2) != 0) {
    (void)asked->self_test(asked->context, 0, &found);
  } else {
    (void)asked->bench(asked->context, 1, &timed);
  }
}

/* A millisecond of all that do not compute. */
static void go_on(void) {
  for (uint32_t i = 0; i < parts; i++) {
    pass_time(&wires[i][0]);
    pass_time(&wires[i][1]);
  }
  for (uint32_t i = 0; i < parts; i++) {
    for (uint32_t turn = 0; turn < 4 && boards[i].place.parts != 0 && !boards[i].computes; turn++) {
      (void)tinyops_part_poll(&boards[i].part);
    }
  }
}

static void run(uint32_t ms, const char *what) {
  for (uint32_t end = now + ms; (int32_t)(end - now) > 0; now++) {
    go_on();
    if (strcmp(what, "restart") == 0 && roll(300) == 0) {
      start(roll(parts), boards[0].set);
    } else if (strcmp(what, "mixed") == 0 && roll(300) == 0) {
      start(roll(parts), roll(2));
    } else if (strcmp(what, "tested") == 0) {
      wires[1][0].cut = now % 600 < 250; /* so that what comes has to wait */
      if (boards[1].inlet.in.whole != 0 || roll(200) == 0) {
        test(&boards[1]);
      }
    } else if (strcmp(what, "cut") == 0 && roll(200) == 0) {
      wire *one = &wires[roll(parts - 1)][roll(2)];
      one->cut = !one->cut;
    }
  }
}

static void say(const char *when) {
  (void)printf("%s: frames %u results %u unavailable %u lost %#x wrong %u last %u\n", when,
               frame_number, results, unavailable, lost_named, wrong, last_seen);
  results = unavailable = lost_named = 0;
  const wire *down = &wires[0][0], *up = &wires[0][1];
  (void)printf("%s, first link: pieces %u bytes %u answers %u states %u questions %u\n", when,
               down->frames[TINYOPS_LINK_PART_PIECE], down->carried[TINYOPS_LINK_PART_PIECE],
               up->carried[TINYOPS_LINK_PART_MISSING],
               down->carried[TINYOPS_LINK_PART_STATE] + up->carried[TINYOPS_LINK_PART_STATE],
               down->questions);
}

int main(int count, char **words) {
  if (count != 6) {
    return 2;
  }
  chance = (uint32_t)strtoul(words[1], NULL, 10);
  parts = (uint32_t)strtoul(words[2], NULL, 10);
  const char *what = words[5];
  tested = strcmp(what, "tested") == 0;
  busy = strcmp(what, "busy") == 0;
  for (uint32_t i = 0; i < parts; i++) {
    start(i, 0);
  }
  if (strcmp(what, "alone") == 0) { /* each in turn dies */
    for (uint32_t i = 0; i + 1 < parts; i++) {
      run(3000, "quiet");
      say("before");
      boards[i].place.parts = 0;
      run(3000, "quiet");
      say("without");
      start(i, 0);
    }
  } else {
    faults = (uint32_t)strtoul(words[3], NULL, 10);
    run((uint32_t)strtoul(words[4], NULL, 10), what);
    say("faults");
  }
  faults = 0;
  for (uint32_t i = 0; i < parts; i++) {
    wires[i][0].cut = wires[i][1].cut = 0;
    if (boards[i].set != 0 || strcmp(what, "mixed") == 0) {
      start(i, 0);
    }
  }
  run(5000, "quiet");
  say("recovering");
  const uint32_t before = frame_number;
  run(4000, "quiet");
  const uint32_t came = results, made = frame_number - before;
  say("after");
  if (wrong != 0 || (!busy && came + 2 * PARTS_MAX < made / (parts == 2 ? 4 : 8))) {
    (void)printf("of %u frames %u had a result\n", made, came);
    return 1;
  }
  return 0;
}
