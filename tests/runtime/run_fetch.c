/* The cycle of fetch/cycle.h on the host, over the real slot library and simulated flash, with the
 * network, the clock and the application in a conversation: a line each way.
 *
 *   O HOST PORT     opens a connection: answered by a status
 *   C               is it ready: a status, 1 when it is
 *   S HEX           sends; no answer
 *   R ROOM          receives: "D HEX", "W MS" (nothing, that much time goes by), "E STATUS"
 *   K               closes; no answer
 *   T SECONDS       is told the time: a status
 *   J               is asked how a model on trial does
 *   F EVENT REASON STATUS VERSION BYTES TOTAL RECEIVED WORDS     reports; no answer
 *   I STATE PHASE   has nothing to do: "W MS", "start" (the pending model), "boot" (a reset),
 * "quit"
 *
 * Arguments: endpoint, least time, hex of: contract, keys, the model that a cable wrote. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "flash_model.h"
#include "tinyops/fetch/cycle.h"

extern const tinyops_boot_table tinyops_boot_own;

enum {
  ORIGIN = 0x10000,
  SECTOR = 4096,
  SLOT_BYTES = 16 * SECTOR,
  STATE_BYTES = 4 * SECTOR,
  FLASH_BYTES = 2 * SLOT_BYTES + STATE_BYTES,
  LINE_MAX = 1 << 18,
  PIECE = 700,
  UNIT = 256,
  MODEL = TINYOPS_IMAGE_MODEL
};

typedef struct {
  uint8_t content[FLASH_BYTES], marks[FLASH_BYTES / 4];
  tinyops_flash_model flash;
  tinyops_port_flash calls;
  tinyops_slots slots;
  uint8_t unit[UNIT], keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES], contract[32];
  uint8_t entry[TINYOPS_ENTRY_MAX], piece[PIECE];
  uint32_t key_count, now_ms;
  tinyops_clock clock;
  tinyops_stream stream;
  tinyops_fetch_config config;
  tinyops_fetch_memory memory;
  tinyops_fetch fetch;
  char line[LINE_MAX];
} device;

static const char *ask(device *self) {
  (void)fflush(stdout);
  if (fgets(self->line, LINE_MAX, stdin) == NULL) {
    exit(0);
  }
  self->line[strcspn(self->line, "\n")] = 0;
  return self->line;
}

static uint32_t read_hex(const char *text, uint8_t *bytes, uint32_t room) {
  uint32_t count = 0;
  unsigned int byte = 0;
  while (count < room && sscanf(text + 2u * count, "%2x", &byte) == 1) {
    bytes[count++] = (uint8_t)byte;
  }
  return count;
}

static int32_t answer(device *self) { return (int32_t)strtol(ask(self), NULL, 10); }

static int32_t open_stream(void *context, const char *host, uint32_t port) {
  (void)printf("O %s %u\n", host, port);
  return answer(context);
}

static int32_t be_ready(void *context) {
  device *self = context;
  self->now_ms++;
  (void)puts("C");
  return answer(self);
}

static int32_t send_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  (void)printf("S ");
  for (uint32_t i = 0; i < count; i++) {
    (void)printf("%02x", bytes[i]);
  }
  (void)printf("\n");
  return (int32_t)count;
}

static int32_t receive_bytes(void *context, uint8_t *bytes, uint32_t room) {
  device *self = context;
  (void)printf("R %u\n", room);
  const char *said = ask(self);
  switch (said[0]) {
    case 'D':
      return (int32_t)read_hex(said + 2, bytes, room);
    case 'W':
      self->now_ms += (uint32_t)strtoul(said + 2, NULL, 10);
      return 0;
    default:
      return (int32_t)strtol(said + 2, NULL, 10);
  }
}

static void close_stream(void *context) {
  (void)context;
  (void)puts("K");
}

static uint32_t now(void *context) { return ((device *)context)->now_ms; }

static int32_t be_told(void *context, uint64_t seconds) {
  device *self = context;
  (void)printf("T %llu\n", (unsigned long long)seconds);
  const int32_t status = answer(self);
  if (status == 0) {
    (void)tinyops_clock_told(&self->clock, self->now_ms, seconds);
  }
  return status;
}

static int32_t judge_trial(void *context) {
  (void)puts("J");
  return answer(context);
}

static void remember(void *context, const tinyops_fetch_memory *memory) {
  ((device *)context)->memory = *memory;
}

static void report(void *context, const tinyops_fetch_report *told) {
  (void)context;
  (void)printf("F %u %d %u %u %u %u %u %s\n", told->event, told->reason, told->status,
               told->version, told->bytes, told->total, told->received,
               tinyops_fetch_reason(told->reason));
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  return tinyops_flash_model_erase(&((device *)context)->flash, address, bytes);
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  return tinyops_flash_model_program(&((device *)context)->flash, address, bytes, count);
}

static int32_t read_flash(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  return tinyops_flash_model_read(&((device *)context)->flash, address, bytes, count);
}

static void boot(device *self) {
  self->slots = (tinyops_slots){
      .flash = &self->calls,
      .context = self,
      .crypto = &tinyops_boot_own,
      .slots = {{{0, 0}, {0, 0}}, {{ORIGIN, SLOT_BYTES}, {ORIGIN + SLOT_BYTES, SLOT_BYTES}}},
      .state = {ORIGIN + 2 * SLOT_BYTES, STATE_BYTES},
      .board = "desk",
      .contract = self->contract,
      .keys = self->keys,
      .key_count = self->key_count,
      .unit = self->unit,
      .unit_bytes = UNIT,
  };
  if (tinyops_boot_own.open(&self->slots) != 0) {
    (void)fprintf(stderr, "the slots do not open\n");
    exit(1);
  }
  (void)tinyops_boot_own.boot(&self->slots, MODEL, NULL);
  self->clock = (tinyops_clock){.least_s = self->clock.least_s};
  tinyops_fetch_open(&self->fetch, &self->config, &self->memory);
}

static void prepare(device *self, char **arguments) {
  self->flash = (tinyops_flash_model){
      .facts = {ORIGIN, FLASH_BYTES, SECTOR, 4, 1}, .content = self->content, .marks = self->marks};
  memset(self->content, 0xff, FLASH_BYTES);
  self->calls = (tinyops_port_flash){SECTOR, 4, erase, program, read_flash};
  self->clock.least_s = strtoull(arguments[1], NULL, 10);
  (void)read_hex(arguments[2], self->contract, sizeof(self->contract));
  self->key_count = read_hex(arguments[3], self->keys, sizeof(self->keys)) / 32u;
  (void)read_hex(arguments[4], self->content, SLOT_BYTES);
  self->stream = (tinyops_stream){self,          open_stream,  be_ready, send_bytes,
                                  receive_bytes, close_stream, now,      be_told};
  self->config = (tinyops_fetch_config){
      .stream = &self->stream,
      .table = &tinyops_boot_own,
      .slots = &self->slots,
      .clock = &self->clock,
      .endpoint = arguments[0],
      .project = "wearables",
      .fleet = "wrist",
      .board = "desk",
      .unit = "d-1",
      .contract = self->contract,
      .entry = self->entry,
      .piece = self->piece,
      .piece_bytes = PIECE,
      .interval_ms = 3600000,
      .retry_ms = 60000,
      .spread = 12345,
      .context = self,
      .trial = judge_trial,
      .remember = remember,
      .report = report,
  };
}

/* Returns 0 when the conversation is over. */
static int32_t be_idle(device *self) {
  (void)printf("I %u %u\n", self->slots.images[MODEL].state, self->fetch.phase);
  const char *said = ask(self);
  if (said[0] == 'W') {
    self->now_ms += (uint32_t)strtoul(said + 2, NULL, 10);
  } else if (strcmp(said, "start") == 0) {
    (void)tinyops_boot_own.start(&self->slots, MODEL, NULL);
  } else if (strcmp(said, "boot") == 0) {
    boot(self);
  } else {
    return 0;
  }
  return 1;
}

int main(int count, char **arguments) {
  device *self = calloc(1, sizeof(*self));
  if (count != 6 || self == NULL) {
    return 2;
  }
  prepare(self, arguments + 1);
  boot(self);
  int32_t goes_on = 1;
  while (goes_on != 0) {
    if (tinyops_fetch_poll(&self->fetch) == 0) {
      goes_on = self->fetch.phase == 3 /* reads: it has just asked */ || be_idle(self) != 0;
    }
  }
  free(self);
  return 0;
}
