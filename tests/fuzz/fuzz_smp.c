/* The SMP server as it is on boards: lines in, settings on a flash that keeps its rules.
 *
 * The first bytes choose how large the receive buffer is and what the board lacks; then steps
 * follow:
 *
 *   raw bytes of the line    | a message that arrives whole | one of which a letter is another |
 *   a break of the line      | a reset of the board
 *
 * Whatever comes, each answer is one: framed, addressed, well-formed and within the buffer; a
 * request that reaches the server whole gets exactly one; and an echo is answered at the end. */
#include <string.h>

#include "input.h"
#include "port/sim/flash_model.h"
#include "smp_client.h"
#include "tinyops/settings_smp.h"

enum {
  ORIGIN = 0x1000,
  SECTOR = 1024,
  REGION = 2 * SECTOR,
  UNIT = 4,
  BODY_MAX = 512,
  READ = 0,
  WRITE = 2
};

typedef struct {
  uint8_t content[REGION], marks[REGION / UNIT], unit[64];
  tinyops_flash_model model;
  tinyops_settings settings;
  tinyops_smp_settings calls;
  tinyops_smp_board board;
  tinyops_smp smp;
  uint8_t *buffer;
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
  tinyops_smp_open(&self->smp, &self->board, TINYOPS_SMP_LOCAL, self->buffer, buffer_bytes);
  const int32_t status = tinyops_settings_open(&self->settings);
  FUZZ_CHECK(status == TINYOPS_SETTINGS_OK || status == TINYOPS_SETTINGS_ERR_NONE);
}

static void make(device *self, uint32_t buffer_bytes) {
  static const tinyops_flash_facts facts = {ORIGIN, REGION, SECTOR, UNIT, 1};
  memset(self, 0, sizeof(*self));
  memset(self->content, 0xff, sizeof(self->content));
  tinyops_flash_model_open(&self->model, &facts, self->content, self->marks, 1);
  self->settings = (tinyops_settings){.flash = &flash,
                                      .context = &self->model,
                                      .origin = ORIGIN,
                                      .bytes = REGION,
                                      .unit = self->unit,
                                      .unit_bytes = sizeof(self->unit)};
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
                                    .settings = &self->calls};
  self->crashed = 1;
  self->buffer = malloc(buffer_bytes);
  FUZZ_CHECK(self->buffer != NULL);
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
  const uint32_t buffer_bytes = sizes[fuzz_byte(&input) % 4u];
  make(&self, buffer_bytes);
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
  return 0;
}
