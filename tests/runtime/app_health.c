/* Kept records and health, on the host under sanitizers: a check that fails ends with its line. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/app.h"

#define CHECK(condition)                                   \
  do {                                                     \
    if (!(condition)) {                                    \
      (void)printf("line %d: %s\n", __LINE__, #condition); \
      exit(1);                                             \
    }                                                      \
  } while (0)

typedef struct {
  uint32_t ms, frames, started_at, pushed, fed, failing;
  uint32_t shown, sent, datagrams, datagram_bytes;
  uint8_t datagram[64];
} world;

static world now; /* what the fake hardware below sees */

static uint32_t now_ms(void *context) { return ((world *)context)->ms; }
static uint32_t ticks(void *context) { return (void)context, 0u; }
static void start_ticks(void *context) { (void)context; }
static int32_t no_byte(void *context) { return (void)context, TINYOPS_PORT_NO_BYTE; }
static void feed(void *context) { ((world *)context)->fed++; }
static uint32_t supply(void *context) { return (void)context, 3300u; }
static uint32_t missed(void *context) { return (void)context, 5u; }
static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)bytes;
  ((world *)context)->sent += count;
}
static void show(void *context, uint32_t best, const int8_t *outputs, uint32_t count) {
  CHECK(count == 3 && outputs[best] == 100);
  ((world *)context)->shown = best + 1;
}
static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){200, 1000, 4000};
}
static int32_t start(void *context, uint32_t rate_millihz) {
  ((world *)context)->started_at = rate_millihz;
  return ((world *)context)->failing != 0 ? -7 : 0;
}
static int32_t poll_frame(void *context, int16_t *values, uint32_t count) {
  world *self = context;
  if (self->failing != 0) {
    return -8;
  }
  CHECK(count == 1);
  if (self->frames == 0) {
    return 0;
  }
  values[0] = (int16_t)self->frames--;
  return 1;
}
static int32_t send_datagram(void *context, const uint8_t *bytes, uint32_t count) {
  world *self = context;
  CHECK(count <= sizeof(self->datagram));
  memcpy(self->datagram, bytes, count);
  self->datagrams++;
  self->datagram_bytes = count;
  return -1; /* a network that is down harms nothing */
}
static int32_t receive_nothing(void *context, uint8_t *bytes, uint32_t room) {
  return (void)context, (void)bytes, (void)room, 0;
}

static const tinyops_port_sensor sensor = {start, poll_frame, missed};
static const tinyops_port_network network = {send_datagram, receive_nothing};

/* A model of one value in a frame and three outputs, of which output `value % 3` wins. */
static int32_t init(void *arena) { return memset(arena, 0, 16), 0; }
static int32_t push(void *arena, const int16_t *frame) {
  now.pushed++;
  ((int8_t *)arena)[0] = (int8_t)frame[0];
  return frame[0] == 99 ? -4 : TINYOPS_DUE;
}
static int32_t prepare(void *arena) { return (void)arena, 0; }
static int32_t invoke(void *arena) {
  int8_t *bytes = arena;
  memset(bytes + 4, -128, 3);
  bytes[4 + bytes[0] % 3] = 100;
  return 0;
}

static tinyops_model_header header = {.magic = TINYOPS_MODEL_MAGIC,
                                      .abi = TINYOPS_MODEL_ABI,
                                      .header_bytes = sizeof(tinyops_model_header),
                                      .arena_bytes = 16,
                                      .input_bytes = 1,
                                      .output_offset = 4,
                                      .output_bytes = 3,
                                      .frame_values = 1,
                                      .window_frames = 1,
                                      .hop_frames = 1};

static tinyops_port make_port(void *keep, uint32_t keep_bytes) {
  return (tinyops_port){.context = &now,
                        .read_byte = no_byte,
                        .write = write_bytes,
                        .start_ticks = start_ticks,
                        .ticks = ticks,
                        .tick_hz = 1,
                        .measure = measure,
                        .now_ms = now_ms,
                        .feed_watchdog = feed,
                        .sensor = &sensor,
                        .network = &network,
                        .show = show,
                        .supply_mv = supply,
                        .keep = keep,
                        .keep_bytes = keep_bytes};
}

static void test_noise_is_no_record(void) {
  tinyops_kept kept;
  tinyops_port port = make_port(&kept, sizeof(kept));
  memset(&kept, 0xa5, sizeof(kept));
  CHECK(tinyops_kept_last(&port) == 0 && !tinyops_kept_is_valid(&port));
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_POWER);
  CHECK(tinyops_kept_is_valid(&port) && kept.faults == 0 && kept.crashed == 0);
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_UNKNOWN); /* who resets without a word */
  port.reset_cause = TINYOPS_RESET_PIN;
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_PIN);
}

static void test_every_flipped_bit_is_seen(void) {
  tinyops_kept kept;
  const tinyops_port port = make_port(&kept, sizeof(kept));
  const tinyops_crash crash = {.pc = 0x1234, .lr = 0x5678, .cfsr = 1};
  for (uint32_t bit = 0; bit < 8 * sizeof(kept); bit++) {
    memset(&kept, 0, sizeof(kept));
    tinyops_kept_fault(&port, &crash, TINYOPS_RESET_FAULT);
    CHECK(tinyops_kept_last(&port) != 0);
    ((uint8_t *)&kept)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    CHECK(!tinyops_kept_is_valid(&port) && tinyops_kept_last(&port) == 0);
    CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_POWER && kept.faults == 0);
  }
}

static void test_faults_and_watchdogs_are_counted_apart(void) {
  tinyops_kept kept = {0};
  tinyops_port port = make_port(&kept, sizeof(kept));
  const tinyops_crash crash = {.pc = 0x1234, .firmware_crc = 7};
  (void)tinyops_kept_start(&port);
  kept.image_crc = 0xfeed;
  tinyops_kept_seal(&kept);
  tinyops_kept_fault(&port, &crash, TINYOPS_RESET_FAULT);
  CHECK(tinyops_kept_last(&port)->image_crc == 0xfeed &&
        tinyops_kept_last(&port)->firmware_crc == 7);
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_FAULT && kept.faults == 1);
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_UNKNOWN && kept.faults == 1);
  tinyops_kept_fault(&port, &crash, TINYOPS_RESET_WATCHDOG);
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_WATCHDOG);
  CHECK(kept.faults == 1 && kept.watchdog_resets == 1);
  tinyops_kept_announce(&port, TINYOPS_RESET_SOFTWARE);
  port.reset_cause = TINYOPS_RESET_SOFTWARE;
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_SOFTWARE);
  tinyops_kept_announce(&port, TINYOPS_RESET_SOFTWARE); /* for another firmware, which hangs */
  port.reset_cause = TINYOPS_RESET_WATCHDOG;
  CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_WATCHDOG && kept.watchdog_resets == 2);
  tinyops_kept_clear(&port);
  CHECK(tinyops_kept_last(&port) == 0 && kept.faults == 1);
}

static void test_a_port_without_room_keeps_nothing(void) {
  uint32_t small[4] = {0};
  for (uint32_t bytes = 0; bytes <= sizeof(small); bytes += 4) {
    tinyops_port port = make_port(bytes == 0 ? 0 : small, bytes);
    const tinyops_crash crash = {.pc = 1};
    tinyops_kept_fault(&port, &crash, TINYOPS_RESET_FAULT);
    tinyops_kept_announce(&port, TINYOPS_RESET_SOFTWARE);
    tinyops_kept_clear(&port);
    CHECK(tinyops_kept_open(&port) == 0 && tinyops_kept_last(&port) == 0);
    port.reset_cause = TINYOPS_RESET_BROWNOUT;
    CHECK(tinyops_kept_start(&port) == TINYOPS_RESET_BROWNOUT);
  }
  CHECK(small[0] == 0 && small[3] == 0);
}

typedef struct {
  tinyops_port port;
  tinyops_app_board board;
  tinyops_kept kept;
  int16_t frame[1];
  uint8_t arena[16] __attribute__((aligned(16)));
  tinyops_app app;
} device;

static const uint8_t contract[32];

static void open_device(device *self, uint32_t rate_millihz) {
  now = (world){.ms = 10};
  *self = (device){.port = make_port(&self->kept, sizeof(self->kept))};
  self->board = (tinyops_app_board){.port = &self->port,
                                    .name = "x",
                                    .contract = contract,
                                    .loaded = {&header, init, push, prepare, invoke},
                                    .arena = self->arena,
                                    .arena_bytes = sizeof(self->arena),
                                    .frame = self->frame,
                                    .frame_values = 1,
                                    .rate_millihz = rate_millihz};
}

static void test_health_adds_up(void) {
  device it;
  tinyops_health health;
  open_device(&it, 10000);
  CHECK(tinyops_app_init(&it.app, &it.board) == 0 && now.started_at == 10000);
  now.frames = 10;
  while (tinyops_app_poll(&it.app) != 0) {
  }
  tinyops_app_health(&it.app, &health);
  CHECK(health.inferences == 10 && health.confidence_steps == 10 * 228 && health.classes == 3);
  CHECK(health.histogram[0] == 3 && health.histogram[1] == 4 && health.histogram[2] == 3);
  CHECK(health.uptime_ms == 10 && health.supply_mv == 3300 && health.sensor == 1);
  CHECK(health.missed_frames == 5 && health.stack_used == 200 && health.arena_used == 16);
  CHECK(health.reset_cause == TINYOPS_RESET_POWER && health.faults == 0);
  CHECK(now.shown == 2 && now.sent > 0 && now.fed == 11);
  CHECK(now.datagrams == 10 && now.datagram_bytes == 2 + TINYOPS_LINK_RESULT_REPLY_SIZE + 3);
  CHECK(now.datagram[0] == TINYOPS_LINK_RESULT && now.datagram[1] == 9);
}

static void test_the_host_comes_first_and_the_sensor_after_a_while(void) {
  device it;
  open_device(&it, 10000);
  (void)tinyops_app_init(&it.app, &it.board);
  tinyops_app_yield(&it.app);
  now.frames = 3;
  CHECK(tinyops_app_sense(&it.app) == 0 && now.pushed == 0);
  now.ms += 4999;
  CHECK(tinyops_app_sense(&it.app) == 0 && now.pushed == 0);
  now.ms += 1;
  CHECK(tinyops_app_sense(&it.app) == 1 && now.pushed == 1 && it.app.result_index == 1);
  it.port.now_ms = 0;
  tinyops_app_yield(&it.app);
  CHECK(tinyops_app_sense(&it.app) == 0 && now.pushed == 1);
}

static void test_what_fails_is_left_alone(void) {
  device it;
  tinyops_health health;
  open_device(&it, 0);
  CHECK(tinyops_app_init(&it.app, &it.board) == 0 && it.app.sensing == TINYOPS_SENSING_OFF);
  open_device(&it, 10000);
  now.failing = 1;
  CHECK(tinyops_app_init(&it.app, &it.board) == 0);
  tinyops_app_health(&it.app, &health);
  CHECK(health.sensor == -7 && tinyops_app_poll(&it.app) == 0);
  open_device(&it, 10000);
  (void)tinyops_app_init(&it.app, &it.board);
  now.failing = 1;
  CHECK(tinyops_app_poll(&it.app) == 0 && it.app.sensing == -8);
  open_device(&it, 10000);
  (void)tinyops_app_init(&it.app, &it.board);
  now.frames = 99; /* which the model refuses */
  CHECK(tinyops_app_poll(&it.app) == 1 && it.app.sensing == -4);
  CHECK(tinyops_app_poll(&it.app) == 0 && now.pushed == 1);
  open_device(&it, 10000);
  it.board.loaded.header = 0;
  CHECK(tinyops_app_init(&it.app, &it.board) != 0 && tinyops_app_poll(&it.app) == 0);
  tinyops_app_health(&it.app, &health);
  CHECK(health.classes == 0 && health.arena_used == 0 && health.sensor == 0);
}

int main(void) {
  test_noise_is_no_record();
  test_every_flipped_bit_is_seen();
  test_faults_and_watchdogs_are_counted_apart();
  test_a_port_without_room_keeps_nothing();
  test_health_adds_up();
  test_the_host_comes_first_and_the_sensor_after_a_while();
  test_what_fails_is_left_alone();
  return 0;
}
