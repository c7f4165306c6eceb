/* See page.h. */
#include "page.h"

#include "tinyops/bytes.h"
#include "tinyops/chain.h"

enum { ARENA_SPARE = 4 * TINYOPS_ARENA_ALIGN, WASM_PAGE = 65536 };

typedef struct {
  uint32_t words[PAGE_MODEL_BYTES / 4]; /* header, then the part's */
  uint32_t is_there;
} slot;

typedef struct {
  uint8_t bytes[PAGE_IN_BYTES];
  uint32_t count, taken;
} incoming;

typedef struct {
  uint8_t contract[32];
  char name[PAGE_NAME_BYTES + 1];
  incoming in[PAGE_STREAMS];
  slot slots[PAGE_SLOTS];
  uint32_t active, spare, switches;
  uint8_t told[TINYOPS_LINK_PART_STATE_SIZE];
  int16_t frame[1];
  tinyops_app_board board;
  tinyops_part_inlet inlet;
  tinyops_part_place place;
  tinyops_part part;
} program;

/* The module is one program, as is its script's object. */
static program self;

/* -- the model, in the module of its own -- */

static int32_t call(uint32_t entry) {
  const tinyops_model_header *header = self.board.loaded.header;
  return page_call(self.active, entry, (uint8_t *)self.board.arena, header->arena_bytes);
}

static int32_t model_init(void *arena) {
  (void)arena;
  return call(PAGE_INIT);
}

/* The last part takes tensors; its image says so with frame_values of 0. */
static int32_t model_push(void *arena, const int16_t *frame) {
  (void)arena;
  (void)frame;
  return TINYOPS_ERR_UNSUPPORTED;
}

static int32_t model_prepare(void *arena) {
  (void)arena;
  return call(PAGE_PREPARE);
}

static int32_t model_invoke(void *arena) {
  (void)arena;
  return call(PAGE_INVOKE);
}

static const tinyops_model_header *header_of(uint32_t number) {
  return (const tinyops_model_header *)(const void *)self.slots[number].words;
}

static const uint32_t *words_of(uint32_t number) {
  return self.slots[number].words + sizeof(tinyops_model_header) / 4u;
}

static const tinyops_model_part *part_in(uint32_t number) {
  const tinyops_model_part *part = (const tinyops_model_part *)(const void *)words_of(number);
  return self.slots[number].is_there != 0 && part->magic == TINYOPS_MODEL_PART_MAGIC ? part : 0;
}

/* Memory for the arena and what is held behind it; 0: more than there can be. */
static uint32_t arena_bytes(uint32_t number) {
  const tinyops_model_part *part = part_in(number);
  uint64_t bytes = (uint64_t)header_of(number)->arena_bytes + ARENA_SPARE;
  if (part != 0) {
    bytes += (uint64_t)part->held_bytes + part->gives_bytes;
  }
  return bytes <= UINT32_MAX / 2u ? (uint32_t)bytes : 0;
}

/* The arena lies at the end of the module's memory, which grows and never shrinks. */
static uint8_t *arena_of(uint32_t bytes) {
#if defined(__wasm__)
  extern uint8_t __heap_base;
  const uintptr_t end =
      ((uintptr_t)&__heap_base + TINYOPS_ARENA_ALIGN - 1u) & ~(uintptr_t)(TINYOPS_ARENA_ALIGN - 1u);
  const uintptr_t have = __builtin_wasm_memory_size(0) * (uintptr_t)WASM_PAGE, want = end + bytes;
  if (want > have &&
      __builtin_wasm_memory_grow(0, (want - have + WASM_PAGE - 1u) / WASM_PAGE) == SIZE_MAX) {
    return 0;
  }
  return (uint8_t *)end;
#else
  (void)bytes;
  return 0;
#endif
}

/* -- the port -- */

static int32_t read_from(uint32_t stream) {
  incoming *in = &self.in[stream];
  return in->taken < in->count ? in->bytes[in->taken++] : TINYOPS_PORT_NO_BYTE;
}

static int32_t read_line(void *context) {
  (void)context;
  return read_from(PAGE_LINE);
}

static int32_t read_upstream(void *context) {
  (void)context;
  return read_from(PAGE_UPSTREAM);
}

static void write_line(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  page_write(PAGE_LINE, bytes, count);
}

static void write_upstream(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  page_write(PAGE_UPSTREAM, bytes, count);
}

static void start_ticks(void *context) { (void)context; }

static uint32_t ticks(void *context) {
  (void)context;
  return 0;
}

static void idle(void *context) { (void)context; }

static void measure(void *context, tinyops_port_memory *memory) {
  uint32_t words[3] = {0};
  (void)context;
  page_measure(words);
  *memory = (tinyops_port_memory){words[0], words[1], words[2]};
}

static uint32_t now_ms(void *context) {
  (void)context;
  return page_now_ms();
}

static int32_t send_report(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  page_report(bytes, count);
  return 0;
}

static int32_t receive_none(void *context, uint8_t *bytes, uint32_t room) {
  (void)context;
  (void)bytes;
  (void)room;
  return 0;
}

static const tinyops_port_stream upstream = {read_upstream, write_upstream};
static const tinyops_port_network network = {send_report, receive_none};
static const tinyops_port port = {.read_byte = read_line,
                                  .write = write_line,
                                  .start_ticks = start_ticks,
                                  .ticks = ticks,
                                  .tick_hz = 1,
                                  .idle = idle,
                                  .measure = measure,
                                  .now_ms = now_ms,
                                  .network = &network,
                                  .upstream = &upstream};

/* -- the other model -- */

static int32_t find_spare(void *context, tinyops_app *app, tinyops_chain_view *view) {
  const tinyops_model_part *part = self.spare != PAGE_SPARE_NONE ? part_in(self.active ^ 1u) : 0;
  const int32_t fits = part != 0 && part->position == view->position &&
                       part->parts == view->parts && arena_bytes(self.active ^ 1u) != 0;
  (void)context;
  (void)app;
  view->wished = self.spare == PAGE_SPARE_WANTED;
  view->doubted = 0;
  for (uint32_t i = 0; i < TINYOPS_CHAIN_SET_BYTES; i++) {
    view->spare[i] = fits ? part->set[i] : 0;
  }
  return 0;
}

/* The script writes down what runs before it does: its database takes its time. */
static void apply(void *context, tinyops_app *app) {
  (void)context;
  (void)app;
  self.switches = 1;
}

static const tinyops_chain_switching switching = {
    .decide = tinyops_chain_decide, .find_spare = find_spare, .apply = apply};

/* -- what the script asks -- */

PAGE_EXPORT(page_contract) uint8_t *page_contract(void) { return self.contract; }

PAGE_EXPORT(page_name) uint8_t *page_name(void) { return (uint8_t *)self.name; }

PAGE_EXPORT(page_in) uint8_t *page_in(uint32_t stream) {
  return stream < PAGE_STREAMS ? self.in[stream].bytes : 0;
}

PAGE_EXPORT(page_model) uint8_t *page_model(uint32_t number) {
  return number < PAGE_SLOTS ? (uint8_t *)self.slots[number].words : 0;
}

PAGE_EXPORT(page_open) int32_t page_open(uint32_t position, uint32_t parts, uint32_t after_ms) {
  if (position == 0 || parts > UINT8_MAX || position + 1u != parts) {
    return TINYOPS_LINK_ERR_PART;
  }
  self.board = (tinyops_app_board){
      .port = &port, .name = self.name, .contract = self.contract, .frame = self.frame};
  self.place = (tinyops_part_place){.position = (uint8_t)position,
                                    .parts = (uint8_t)parts,
                                    .after_ms = after_ms,
                                    .inlet = &self.inlet,
                                    .switching = &switching};
  (void)tinyops_part_init(&self.part, &self.board, &self.place);
  return TINYOPS_OK;
}

PAGE_EXPORT(page_give) uint32_t page_give(uint32_t stream, uint32_t count) {
  if (stream >= PAGE_STREAMS || count > PAGE_IN_BYTES) {
    return 0;
  }
  incoming *in = &self.in[stream];
  const uint32_t left = in->count - in->taken;
  if (left == 0 && count > 0) {
    in->count = count;
    in->taken = 0;
  }
  return left;
}

PAGE_EXPORT(page_fill) void page_fill(uint32_t number, uint32_t is_there) {
  if (number < PAGE_SLOTS) {
    self.slots[number].is_there = is_there;
  }
}

PAGE_EXPORT(page_hold) void page_hold(uint32_t spare) {
  self.spare = spare;
  self.switches = 0;
}

PAGE_EXPORT(page_run) int32_t page_run(uint32_t number) {
  self.switches = 0;
  if (number >= PAGE_SLOTS || self.slots[number].is_there == 0) {
    return TINYOPS_LINK_ERR_ABSENT;
  }
  const uint32_t bytes = arena_bytes(number);
  uint8_t *arena = bytes > 0 ? arena_of(bytes) : 0;
  if (arena == 0) {
    return TINYOPS_ERR_ARENA_BYTES;
  }
  self.active = number;
  self.spare = PAGE_SPARE_NONE;
  self.board.arena = arena;
  self.board.arena_bytes = bytes;
  self.board.loaded =
      (tinyops_app_model){header_of(number), model_init, model_push, model_prepare, model_invoke};
  self.place.words = words_of(number);
  tinyops_app_load(&self.part.app);
  return self.part.app.state;
}

PAGE_EXPORT(page_switches) int32_t page_switches(void) { return self.switches != 0; }

PAGE_EXPORT(page_poll) int32_t page_poll(void) { return tinyops_part_poll(&self.part); }

PAGE_EXPORT(page_told) const uint8_t *page_told(void) {
  tinyops_part_describe(&self.part, tinyops_part_of_before(&self.part, page_now_ms()), self.told);
  return self.told;
}
