/* The SMP server as it is on boards: lines in, settings and slots on a flash that keeps its rules.
 *
 * The first bytes choose how large the receive buffer is and what the board lacks; then steps
 * follow:
 *
 *   raw bytes of the line    | a message that arrives whole | one of which a letter is another |
 *   a break of the line      | a reset of the board          | a forged image, piece by piece
 *   a datagram, to a second server of the same board
 *
 * Whatever comes, each answer is one: framed, addressed, well-formed and within the buffer; a
 * request that reaches the server whole gets exactly one; and an echo is answered at the end. */
#include <string.h>

#include "forge.h"
#include "input.h"
#include "port/sim/flash_model.h"
#include "smp_client.h"
#include "tinyops/app.h"
#include "tinyops/delta.h"
#include "tinyops/settings_smp.h"

enum {
  ORIGIN = 0x1000,
  SECTOR = 1024,
  SLOT = 4 * SECTOR,
  SLOTS_BYTES = TINYOPS_SLOTS_IMAGES * TINYOPS_SLOTS_EACH * SLOT,
  STATE = ORIGIN + SLOTS_BYTES,
  SETTINGS = STATE + 2 * SECTOR,
  FLASH_BYTES = SLOTS_BYTES + 4 * SECTOR,
  UNIT = 4,
  BODY_MAX = 512,
  PIECE_MAX = 255,
  READ = 0,
  WRITE = 2,
  IMAGE_GROUP = 1
};

typedef struct {
  uint8_t content[FLASH_BYTES], marks[FLASH_BYTES / UNIT], unit[64], step[160];
  tinyops_flash_model model;
  tinyops_port port;
  tinyops_settings settings;
  tinyops_smp_settings calls;
  tinyops_slots slots;
  tinyops_app_updates updates;
  tinyops_app_deltas deltas;
  uint8_t keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES];
  tinyops_smp_board board;
  tinyops_smp smp, remote;
  uint8_t *buffer, *remote_buffer;
  uint32_t resets;
  uint8_t sent[SMP_CLIENT_ROOM];
  uint32_t sent_bytes;
  tinyops_crash crash;
  int32_t crashed;
} device;

static const tinyops_port_flash flash = {SECTOR, UNIT, tinyops_flash_model_erase,
                                         tinyops_flash_model_program, tinyops_flash_model_read};
static const uint8_t digest[TINYOPS_SMP_DIGEST_BYTES] = {1, 2, 3};

static void keep_sent(void *context, const uint8_t *bytes, uint32_t count) {
  device *self = context;
  FUZZ_CHECK(count <= sizeof(self->sent) - self->sent_bytes);
  memcpy(self->sent + self->sent_bytes, bytes, count);
  self->sent_bytes += count;
}

static void describe(void *context, tinyops_smp_info *info) {
  (void)context;
  *info = (tinyops_smp_info){.board = "desk",
                             .fleet = "wrist",
                             .version = "1.2.3",
                             .contract = digest,
                             .firmware = digest,
                             .model = digest,
                             .silicon = digest,
                             .silicon_bytes = TINYOPS_SMP_SILICON_MAX};
}

static void find_health(void *context, tinyops_health *health) {
  (void)context;
  *health = (tinyops_health){.uptime_ms = UINT32_MAX, .sensor = -3, .classes = 5};
}

static const tinyops_crash *find_crash(void *context) {
  device *self = context;
  return self->crashed ? &self->crash : NULL;
}

static void clear_crash(void *context) { ((device *)context)->crashed = 0; }

static int32_t test_itself(void *context, int32_t keep, tinyops_smp_test *test) {
  (void)context;
  *test = (tinyops_smp_test){.count = 2, .names = {"image", "model"}, .statuses = {0, -3}};
  return keep ? -TINYOPS_SMP_ERR_FAILED : 0;
}

static int32_t time_model(void *context, uint32_t repeat, tinyops_smp_bench *bench) {
  (void)context;
  FUZZ_CHECK(repeat >= 1u && repeat <= TINYOPS_SMP_BENCH_REPEAT_MAX);
  bench->ticks = (tinyops_smp_spread){1, 2, (uint64_t)repeat << 32};
  return 0;
}

static void count_reset(void *context) { ((device *)context)->resets++; }

/* As after a reset: flash stays. */
static void start(device *self, uint32_t buffer_bytes) {
  static const tinyops_app_places places = {
      {{{ORIGIN, SLOT}, {ORIGIN + SLOT, SLOT}},
       {{ORIGIN + 2 * SLOT, SLOT}, {ORIGIN + 3 * SLOT, SLOT}}},
      {STATE, 2 * SECTOR}};
  tinyops_smp_open(&self->smp, &self->board, TINYOPS_SMP_LOCAL, self->buffer, buffer_bytes);
  tinyops_smp_open(&self->remote, &self->board, TINYOPS_SMP_REMOTE, self->remote_buffer,
                   buffer_bytes);
  const int32_t status = tinyops_settings_open(&self->settings);
  FUZZ_CHECK(status == TINYOPS_SETTINGS_OK || status == TINYOPS_SETTINGS_ERR_NONE);
  self->slots = (tinyops_slots){.board = "desk",
                                .contract = forge_contract,
                                .unit = self->step,
                                .unit_bytes = sizeof(self->step)};
  FUZZ_CHECK(tinyops_app_attach_updates(&self->updates, &self->slots, &places, &forge_table,
                                        &self->port, &self->settings, self->keys) != 0);
  self->board.image_calls = self->board.image_calls != NULL
                                ? tinyops_app_take_deltas(&self->deltas, &self->updates)
                                : NULL;
  (void)tinyops_slots_boot(&self->slots, TINYOPS_IMAGE_FIRMWARE, 0);
  (void)tinyops_slots_boot(&self->slots, TINYOPS_IMAGE_MODEL, 0);
}

/* The keys that sign what is forged, as an enrolled board has them. */
static void enrol(device *self) {
  uint8_t values[3 + FORGE_KEYS * TINYOPS_SLOTS_KEY_BYTES] = {TINYOPS_SETTINGS_IMAGE_KEYS,
                                                              sizeof(values) - 3, 0};
  forge_make_keys();
  memcpy(values + 3, forge_keys, sizeof(values) - 3);
  FUZZ_CHECK(tinyops_settings_take_piece(&self->settings, 0, sizeof(values), values,
                                         sizeof(values)) == (int32_t)sizeof(values));
}

static void make(device *self, uint32_t buffer_bytes, int32_t is_enrolled) {
  static const tinyops_flash_facts facts = {ORIGIN, FLASH_BYTES, SECTOR, UNIT, 1};
  memset(self, 0, sizeof(*self));
  memset(self->content, 0xff, sizeof(self->content));
  tinyops_flash_model_open(&self->model, &facts, self->content, self->marks, 1);
  self->port = (tinyops_port){.context = &self->model, .flash = &flash};
  self->settings = (tinyops_settings){.flash = &flash,
                                      .context = &self->model,
                                      .origin = SETTINGS,
                                      .bytes = 2 * SECTOR,
                                      .unit = self->unit,
                                      .unit_bytes = sizeof(self->unit)};
  (void)tinyops_settings_open(&self->settings);
  if (is_enrolled) {
    enrol(self);
  }
  tinyops_settings_serve(&self->settings, &self->calls);
  self->board = (tinyops_smp_board){.context = self,
                                    .write = keep_sent,
                                    .info = describe,
                                    .health = find_health,
                                    .crash = find_crash,
                                    .clear_crash = clear_crash,
                                    .self_test = test_itself,
                                    .bench = time_model,
                                    .reset = count_reset,
                                    .settings = &self->calls,
                                    .image_calls = &tinyops_app_update_calls,
                                    .images = &self->updates};
  self->crashed = 1;
  self->buffer = malloc(buffer_bytes);
  self->remote_buffer = malloc(buffer_bytes);
  FUZZ_CHECK(self->buffer != NULL && self->remote_buffer != NULL);
  start(self, buffer_bytes);
}

/* A board has not everything: takes calls away, one a bit. */
static void take_away(tinyops_smp_board *board, uint32_t lacks) {
  board->info = (lacks & 1u) != 0u ? NULL : board->info;
  board->health = (lacks & 2u) != 0u ? NULL : board->health;
  board->crash = (lacks & 4u) != 0u ? NULL : board->crash;
  board->clear_crash = (lacks & 4u) != 0u ? NULL : board->clear_crash;
  board->self_test = (lacks & 8u) != 0u ? NULL : board->self_test;
  board->bench = (lacks & 16u) != 0u ? NULL : board->bench;
  board->reset = (lacks & 32u) != 0u ? NULL : board->reset;
  board->settings = (lacks & 64u) != 0u ? NULL : board->settings;
  board->image_calls = (lacks & 128u) != 0u ? NULL : board->image_calls;
}

/* Serves what lies in the buffer, and judges the answer by the request. Returns whether there was
 * one, and puts it into `answer`. */
static int32_t serve(device *self, uint8_t *answer, uint32_t *answer_bytes) {
  uint8_t asked[SMP_CLIENT_HEADER];
  memcpy(asked, self->smp.buffer + 2, sizeof(asked));
  const uint32_t dropped = self->smp.bad_messages;
  self->sent_bytes = 0;
  tinyops_smp_serve(&self->smp);
  FUZZ_CHECK(self->model.broken == TINYOPS_FLASH_NO_RULE);
  FUZZ_CHECK((self->sent_bytes == 0u) == (self->smp.bad_messages == dropped + 1u));
  if (self->sent_bytes == 0u) {
    return 0;
  }
  *answer_bytes = smp_client_read(self->sent, self->sent_bytes, answer);
  FUZZ_CHECK(*answer_bytes + 4u <= self->smp.buffer_bytes);
  const uint32_t version = asked[0] >> 3 & 3u;
  FUZZ_CHECK((answer[0] & 7u) == (asked[0] & 7u) + 1u && answer[1] == 0);
  FUZZ_CHECK((answer[0] >> 3) == (version > 1u ? 1u : version));
  FUZZ_CHECK(memcmp(answer + 4, asked + 4, 4) == 0);
  return 1;
}

/* Feeds a line. Returns how many answers came. */
static uint32_t feed(device *self, const uint8_t *line, uint32_t count, uint8_t *answer,
                     uint32_t *answer_bytes) {
  uint32_t answers = 0;
  for (uint32_t i = 0; i < count; i++) {
    if (tinyops_smp_feed(&self->smp, line[i]) != 0) {
      answers += (uint32_t)serve(self, answer, answer_bytes);
    }
  }
  return answers;
}

/* A message of the input: op and version, group, command, sequence, then a body. */
static uint32_t take_message(fuzz_input *input, uint8_t *message) {
  static const uint8_t groups[] = {0, 1, 64, 64};
  const uint32_t head = fuzz_byte(input);
  message[0] = (uint8_t)((head >> 1 & 3u) << 3 | (head & 1u ? WRITE : READ));
  message[1] = 0;
  message[4] = (head >> 7) != 0u ? (uint8_t)fuzz_byte(input) : 0;
  message[5] = groups[head >> 4 & 3u];
  message[6] = (uint8_t)(head >> 3);
  message[7] = (uint8_t)fuzz_byte(input);
  uint32_t count = fuzz_get16(input) % (BODY_MAX + 1u);
  count = count < fuzz_left(input) ? count : fuzz_left(input);
  for (uint32_t i = 0; i < count; i++) {
    message[SMP_CLIENT_HEADER + i] = *input->at++;
  }
  message[2] = (uint8_t)(count >> 8);
  message[3] = (uint8_t)count;
  return SMP_CLIENT_HEADER + count;
}

static void send_message(device *self, fuzz_input *input, uint32_t how) {
  uint8_t message[SMP_CLIENT_HEADER + BODY_MAX];
  uint8_t line[SMP_CLIENT_ROOM];
  uint8_t answer[SMP_CLIENT_ROOM];
  uint32_t answer_bytes = 0;
  const uint32_t count = take_message(input, message);
  const uint32_t length = smp_client_frame(message, count, 4u + 4u * (how >> 3), line);
  const int32_t is_damaged = (how & 4u) != 0u;
  if (is_damaged) {
    line[fuzz_get16(input) % length] ^= (uint8_t)fuzz_byte(input);
  }
  /* What was on the line before ends here, as a host that begins anew does it. */
  (void)tinyops_smp_feed(&self->smp, '\n');
  const uint32_t answers = feed(self, line, length, answer, &answer_bytes);
  FUZZ_CHECK(is_damaged || answers == (count + 4u <= self->smp.buffer_bytes));
}

static void keep_datagram(void *to, const uint8_t *bytes, uint32_t count) {
  keep_sent(to, bytes, count);
  FUZZ_CHECK(count <= ((const device *)to)->remote.buffer_bytes);
}

/* A datagram of the input's: a message, or bytes of any length. */
static void send_datagram(device *self, fuzz_input *input, int32_t is_raw) {
  uint8_t message[SMP_CLIENT_HEADER + BODY_MAX];
  uint32_t count = fuzz_byte(input);
  uint8_t *bytes = is_raw ? fuzz_bytes(input, &count) : message;
  count = is_raw ? count : take_message(input, message);
  self->sent_bytes = 0;
  tinyops_smp_datagram(&self->remote, bytes, count, keep_datagram, self);
  FUZZ_CHECK(self->model.broken == TINYOPS_FLASH_NO_RULE);
  FUZZ_CHECK(is_raw || self->sent_bytes != 0u);
  if (self->sent_bytes != 0u) {
    const uint32_t body = (uint32_t)self->sent[2] << 8 | self->sent[3];
    FUZZ_CHECK(self->sent_bytes == SMP_CLIENT_HEADER + body && (self->sent[0] & 1u) == 1u);
    FUZZ_CHECK(memcmp(self->sent + 4, bytes + 4, 4) == 0);
    FUZZ_CHECK(smp_client_is_cbor(self->sent + SMP_CLIENT_HEADER, body) != 0);
  }
  if (is_raw) {
    free(bytes);
  }
}

/* Sends a request whose body is whole. Returns the answer's bytes, 0: there was none. */
static uint32_t ask(device *self, uint32_t op, uint32_t command, uint8_t *message, uint32_t body,
                    uint8_t *answer) {
  uint8_t line[SMP_CLIENT_ROOM];
  uint32_t answer_bytes = 0;
  const uint8_t head[SMP_CLIENT_HEADER] = {
      (uint8_t)(8u | op), 0, (uint8_t)(body >> 8), (uint8_t)body, 0,
      IMAGE_GROUP,        1, (uint8_t)command};
  memcpy(message, head, sizeof(head));
  const uint32_t length = smp_client_frame(message, SMP_CLIENT_HEADER + body, 120, line);
  (void)tinyops_smp_feed(&self->smp, '\n');
  (void)feed(self, line, length, answer, &answer_bytes);
  return answer_bytes;
}

static uint32_t put(uint8_t *at, const char *text, uint32_t type, uint32_t value) {
  const uint32_t count = (uint32_t)strlen(text);
  at[0] = (uint8_t)(0x60u | count);
  memcpy(at + 1, text, count);
  at += 1u + count;
  at[0] = (uint8_t)(type << 5 | 25u);
  at[1] = (uint8_t)(value >> 8);
  at[2] = (uint8_t)value;
  return count + 4u;
}

static uint32_t put_bytes(uint8_t *at, const char *text, const uint8_t *bytes, uint32_t count) {
  const uint32_t head = put(at, text, 2, count);
  memcpy(at + head, bytes, count);
  return head + count;
}

/* Sends a forged image, piece by piece from where the board says that it goes on, and maybe another
 * one between; then asks for it on trial, or to be kept. */
static void send_image(device *self, fuzz_input *input) {
  static forged file;
  uint8_t message[1024];
  uint8_t answer[SMP_CLIENT_ROOM];
  const uint32_t how = fuzz_byte(input);
  const uint32_t image = how & 1u;
  const uint32_t piece_max = how & 2u ? PIECE_MAX : 100u;
  const tinyops_slots_image *known = &self->slots.images[image];
  forge(input, image, self->slots.slots[0],
        known->active == TINYOPS_SLOTS_NONE ? 0u : known->active ^ 1u, &file);
  uint8_t *const body = message + SMP_CLIENT_HEADER;
  uint32_t next = 0;
  for (uint32_t pieces = 0; next < file.count && pieces < 40u; pieces++) {
    const uint32_t left = file.count - next;
    const uint32_t count = left < piece_max ? left : piece_max;
    uint32_t at = 0;
    body[at++] = 0xbf;
    at += put(body + at, "off", 0, next);
    at += put(body + at, "image", 0, image);
    if (next == 0u) {
      at += put(body + at, "len", 0, file.count);
      at += put_bytes(body + at, "sha", file.digest, sizeof(file.digest));
    }
    at += put_bytes(body + at, "data", file.bytes + next, count);
    body[at++] = 0xff;
    const uint32_t answered = ask(self, WRITE, 1, message, at, answer);
    /* {"off": n} */
    if (answered < 14u || answer[SMP_CLIENT_HEADER + 1] != 0x63) {
      break;
    }
    const uint8_t *value = answer + SMP_CLIENT_HEADER + 5;
    next = (value[0] & 31u) < 24u    ? value[0] & 31u
           : (value[0] & 31u) == 24u ? value[1]
                                     : (uint32_t)value[1] << 8 | value[2];
    next -= (how & 4u) != 0u && pieces == 2u && next > 10u ? 10u : 0u;
  }
  uint32_t at = 0;
  body[at++] = 0xbf;
  at += put_bytes(body + at, "hash", file.digest, sizeof(file.digest));
  body[at++] = 0x67;
  memcpy(body + at, "confirm", 7);
  at += 7u;
  body[at++] = (how & 8u) != 0u ? 0xf5 : 0xf4;
  body[at++] = 0xff;
  (void)ask(self, WRITE, 0, message, at, answer);
  (void)ask(self, READ, 0, message, 0, answer);
}

static void expect_echo(device *self) {
  static const uint8_t echo[] = {0x0a, 0, 0, 5, 0, 0, 7, 0, 0xbf, 0x61, 'd', 0x61, 'x', 0xff};
  static const uint8_t body[] = {0xbf, 0x61, 'r', 0x61, 'x', 0xff};
  uint8_t line[SMP_CLIENT_ROOM];
  uint8_t answer[SMP_CLIENT_ROOM];
  uint32_t answer_bytes = 0;
  uint8_t whole[sizeof(echo)];
  memcpy(whole, echo, sizeof(echo));
  whole[3] = sizeof(body);
  const uint32_t length = smp_client_frame(whole, sizeof(whole), 124, line);
  (void)tinyops_smp_feed(&self->smp, '\n');
  FUZZ_CHECK(feed(self, line, length, answer, &answer_bytes) == 1u);
  FUZZ_CHECK(answer_bytes == SMP_CLIENT_HEADER + sizeof(body));
  FUZZ_CHECK(memcmp(answer + SMP_CLIENT_HEADER, body, sizeof(body)) == 0);
}

static void send_raw(device *self, fuzz_input *input, uint32_t count) {
  uint8_t answer[SMP_CLIENT_ROOM];
  uint32_t answer_bytes = 0;
  uint8_t *bytes = fuzz_bytes(input, &count);
  (void)feed(self, bytes, count, answer, &answer_bytes);
  free(bytes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count) {
  static const uint32_t sizes[] = {TINYOPS_SMP_MESSAGE_MAX, 256, 100, TINYOPS_SMP_BUFFER_MIN};
  static device self;
  fuzz_input input = {bytes, bytes + count};
  const uint32_t chosen = fuzz_byte(&input);
  const uint32_t buffer_bytes = sizes[chosen % 4u];
  make(&self, buffer_bytes, (chosen & 4u) != 0u);
  take_away(&self.board, fuzz_byte(&input));
  while (fuzz_left(&input) > 0u) {
    const uint32_t step = fuzz_byte(&input);
    switch (step & 3u) {
      case 0:
        send_raw(&self, &input, step >> 2);
        break;
      case 3:
        if ((step & 4u) != 0u) {
          tinyops_smp_break(&self.smp);
        } else if ((step & 8u) != 0u) {
          send_image(&self, &input);
        } else if ((step & 16u) != 0u) {
          send_datagram(&self, &input, (step & 32u) != 0u);
        } else {
          start(&self, buffer_bytes);
        }
        break;
      default:
        send_message(&self, &input, step);
    }
  }
  expect_echo(&self);
  free(self.buffer);
  free(self.remote_buffer);
  return 0;
}
