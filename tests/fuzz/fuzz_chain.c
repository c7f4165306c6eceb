/* A part of a chain, between two neighbours that send anything.
 *
 * The input is a table of tensors, then steps: frames from the part before and from the part after,
 * raw bytes, time. Frames have the right CRC-16; that of a message is at times the right CRC-32.
 *
 * What must hold: a table that is taken lies in the memory there is; nothing outside of the arena
 * and of the messages is read or written; the model is invoked only on a message whose CRC-32 is
 * right, between neighbours that both told its set. */
#include <string.h>

#include "../runtime/idle_port.h"
#include "input.h"
#include "tinyops/chain.h"
#include "tinyops/little_endian.h"

enum {
  ARENA = 640,
  USED = 512,
  TENSORS_MAX = 6,
  STREAM = 4096,
  FRAME = TINYOPS_LINK_FRAME_MAX + 4
};

typedef struct {
  uint8_t bytes[STREAM];
  uint32_t count, taken;
} stream;

typedef struct {
  tinyops_part *part;
  stream up, line;
  uint32_t now, invoked;
} world;

static world *here; /* models know of their arena alone */

static int32_t take(stream *from) {
  return from->taken < from->count ? from->bytes[from->taken++] : TINYOPS_PORT_NO_BYTE;
}

static int32_t read_line(void *context) { return take(&((world *)context)->line); }
static int32_t read_up(void *context) { return take(&((world *)context)->up); }
static void write_any(void *context, const uint8_t *bytes, uint32_t count) {
  volatile uint8_t seen = 0;
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    seen = bytes[i];
  }
  (void)seen;
}
static uint32_t now_ms(void *context) { return ((world *)context)->now; }

static int32_t succeed(void *arena) {
  (void)arena;
  return TINYOPS_OK;
}
static int32_t push(void *arena, const int16_t *frame) {
  (void)arena;
  (void)frame;
  return TINYOPS_OK;
}
static int32_t invoke(void *arena) {
  tinyops_part *part = here->part;
  const tinyops_pieces_in *in = &part->inlet->in;
  if (in->whole != 0) { /* else the host asked */
    FUZZ_CHECK(tinyops_message_crc(&in->message, part->model->set, in->number) == in->crc);
    FUZZ_CHECK(tinyops_part_of_before(part, here->now).state == TINYOPS_PART_READY);
    FUZZ_CHECK(tinyops_part_of_after(part, here->now).state == TINYOPS_PART_READY);
    here->invoked++;
  }
  memset(arena, 0x3c, USED);
  return TINYOPS_OK;
}

/* Puts a frame into a stream, framed as the line has it. */
static void keep(void *context, const uint8_t *bytes, uint32_t count) {
  stream *to = (stream *)context;
  for (uint32_t i = 0; i < count && to->count < STREAM; i++) {
    to->bytes[to->count++] = bytes[i];
  }
}

static void send(stream *to, uint8_t *frame, uint32_t length) {
  const tinyops_port port = {.context = to, .write = keep};
  tinyops_app_send(&port, frame, length);
}

static void send_any(fuzz_input *input, stream *to) {
  uint8_t frame[FRAME] = {0};
  const uint32_t length = 2u + fuzz_get16(input) % (TINYOPS_LINK_PAYLOAD_MAX + 1u);
  for (uint32_t i = 0; i < length; i++) {
    frame[i] = (uint8_t)fuzz_byte(input);
  }
  send(to, frame, length);
}

/* A neighbour that belongs there. */
static void send_state(fuzz_input *input, world *self, int32_t before) {
  uint8_t frame[FRAME] = {TINYOPS_LINK_PART_STATE};
  uint8_t *told = frame + 2;
  tinyops_part_describe(self->part, (tinyops_part_standing){TINYOPS_PART_READY, 255}, told);
  told[TINYOPS_LINK_PART_STATE_POSITION_AT] = before != 0 ? 0 : 2;
  tinyops_put32(told + TINYOPS_LINK_PART_STATE_NUMBER_AT, fuzz_byte(input));
  send(before != 0 ? &self->up : &self->line, frame, 2 + TINYOPS_LINK_PART_STATE_SIZE);
}

/* Zeros, in pieces as they should be. */
static void send_pieces(fuzz_input *input, world *self) {
  static uint8_t zeros[STREAM * 64];
  const tinyops_model_part *model = self->part->model;
  tinyops_pieces_out out;
  uint8_t frame[FRAME];
  const uint32_t number = fuzz_byte(input);
  if (model == 0 || model->takes_bytes > sizeof(zeros)) {
    return;
  }
  const tinyops_message message = {.bytes = model->takes_bytes, .arena = zeros};
  tinyops_pieces_begin(&out, &message, model->set, number, self->now);
  for (uint32_t turn = 0; turn < 8 && out.left > 0; turn++) {
    const uint32_t length = tinyops_pieces_next(&out, frame);
    if (fuzz_byte(input) != 1) {
      send(&self->up, frame, length);
    }
  }
}

static void step(fuzz_input *input, world *self) {
  switch (fuzz_byte(input) % 8u) {
    case 0:
      send_any(input, &self->up);
      break;
    case 1:
      send_any(input, &self->line);
      break;
    case 2:
      send_state(input, self, 1);
      break;
    case 3:
      send_state(input, self, 0);
      break;
    case 4:
    case 5:
      send_pieces(input, self);
      break;
    case 6:
      self->up.bytes[self->up.count++ % STREAM] = (uint8_t)fuzz_byte(input);
      break;
    default:
      self->now += fuzz_byte(input) * 8u;
      break;
  }
  for (uint32_t turn = 0; turn < 16; turn++) {
    (void)tinyops_part_poll(self->part);
  }
  if (self->up.taken == self->up.count) {
    self->up.count = self->up.taken = 0;
  }
  if (self->line.taken == self->line.count) {
    self->line.count = self->line.taken = 0;
  }
}

/* The table: its tensors are the input's choice, its sums at times right. */
static uint32_t *make_table(fuzz_input *input) {
  uint32_t *words = (uint32_t *)calloc(10 + 3 * TENSORS_MAX, 4);
  tinyops_model_part part = {.magic = TINYOPS_MODEL_PART_MAGIC, .position = 1, .parts = 3};
  const uint32_t choice = fuzz_byte(input);
  part.takes = (uint16_t)(choice % 4u);
  part.gives = (uint16_t)(choice / 4u % 3u + 1u);
  part.held_bytes = fuzz_byte(input);
  for (uint32_t i = 0; i < (uint32_t)part.takes + part.gives; i++) {
    uint32_t *tensor = words + 10 + 3 * i;
    const uint32_t lies = fuzz_byte(input);
    tensor[0] = fuzz_get16(input);
    tensor[1] = (lies & 1u) != 0 ? fuzz_get16(input) : TINYOPS_MODEL_NOWHERE;
    tensor[2] = (lies & 2u) != 0 ? fuzz_get16(input) : TINYOPS_MODEL_NOWHERE;
    *(i < part.takes ? &part.takes_bytes : &part.gives_bytes) += tensor[0];
  }
  part.takes_bytes += choice >= 250u ? fuzz_get32(input) : 0;
  memcpy(words, &part, sizeof(part));
  return words;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  fuzz_input input = {bytes, bytes + count};
  static const tinyops_port_stream upstream = {read_up, write_any};
  static const uint8_t contract[32];
  world *self = (world *)calloc(1, sizeof(*self));
  tinyops_part_inlet *inlet = (tinyops_part_inlet *)malloc(sizeof(*inlet));
  self->part = (tinyops_part *)malloc(sizeof(*self->part));
  uint8_t *arena = (uint8_t *)malloc(ARENA); /* aligned well enough */
  uint32_t *words = make_table(&input);
  const tinyops_model_header header = {.magic = TINYOPS_MODEL_MAGIC,
                                       .abi = TINYOPS_MODEL_ABI,
                                       .header_bytes = sizeof(header),
                                       .arena_bytes = USED,
                                       .input_bytes = 16,
                                       .output_bytes = 16};
  const tinyops_port port = {.context = self,
                             .read_byte = read_line,
                             .write = write_any,
                             .start_ticks = idle_start_ticks,
                             .ticks = idle_ticks,
                             .measure = idle_measure,
                             .now_ms = now_ms,
                             .upstream = &upstream};
  const tinyops_app_board board = {.port = &port,
                                   .name = "fuzzed",
                                   .contract = contract,
                                   .loaded = {&header, succeed, push, succeed, invoke},
                                   .arena = arena,
                                   .arena_bytes = ARENA};
  const tinyops_part_place place = {
      .position = 1, .parts = 3, .inlet = inlet, .after_ms = 1000, .words = words};
  here = self;
  memset(arena, 0, ARENA);
  const int32_t status = tinyops_part_init(self->part, &board, &place);
  FUZZ_CHECK((status == TINYOPS_OK) == (self->part->model != 0));
  while (fuzz_left(&input) > 0) {
    step(&input, self);
  }
  free(words);
  free(arena);
  free(self->part);
  free(inlet);
  free(self);
  return 0;
}
