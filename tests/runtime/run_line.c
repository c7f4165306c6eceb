/* The application's line for tests: what comes on standard input is received, what is sent goes to
 * standard output. Ends with the input. With an argument the port cannot reset. */
#include <stdio.h>

#include "tinyops/manage.h"

enum {
  FLASH_BYTES = 100,
  SETTINGS_BYTES = 100,
  ARENA_BYTES = 64,
  FRAME_VALUES = 4,
  KEPT_WORDS = 64
};

static int32_t read_byte(void *context) {
  (void)context;
  const int byte = getchar();
  return byte == EOF ? TINYOPS_PORT_NO_BYTE : byte;
}

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  (void)fwrite(bytes, 1, count, stdout);
}

static void start_ticks(void *context) { (void)context; }

static uint32_t ticks(void *context) {
  (void)context;
  return 7;
}

static void measure(void *context, tinyops_port_memory *memory) {
  (void)context;
  *memory = (tinyops_port_memory){.stack_used = 1, .stack_bytes = 2, .static_bytes = 3};
}

static void idle(void *context) { (void)context; }

static void reset(void *context) {
  (void)context;
  (void)fputs("<reset>", stdout);
}

static int32_t read_settings(void *context, uint32_t offset, uint8_t *bytes, uint32_t room,
                             uint32_t *count, uint32_t *total) {
  (void)context;
  *total = SETTINGS_BYTES;
  if (offset > SETTINGS_BYTES) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  *count = SETTINGS_BYTES - offset < room ? SETTINGS_BYTES - offset : room;
  for (uint32_t i = 0; i < *count; i++) {
    bytes[i] = (uint8_t)(offset + i);
  }
  return 0;
}

/* Reads all that it is given, which a sanitizer watches. */
static int32_t write_settings(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count,
                              uint32_t total) {
  volatile uint8_t *sum = (volatile uint8_t *)context;
  for (uint32_t i = 0; i < count; i++) {
    *sum = (uint8_t)(*sum ^ bytes[i]);
  }
  return offset + count <= total ? 0 : -TINYOPS_SMP_ERR_INVALID;
}

int main(int count, char **arguments) {
  (void)arguments;
  static const uint8_t contract[32], flash[FLASH_BYTES];
  static _Alignas(TINYOPS_ARENA_ALIGN) uint8_t arena[ARENA_BYTES];
  static int16_t frame[FRAME_VALUES];
  static uint32_t kept[KEPT_WORDS];
  static uint8_t sum, message[TINYOPS_SMP_MESSAGE_MIN];
  static tinyops_app app;
  static tinyops_app_management management;
  const tinyops_port port = {
      .read_byte = read_byte,
      .write = write_bytes,
      .start_ticks = start_ticks,
      .ticks = ticks,
      .tick_hz = 1,
      .measure = measure,
      .idle = idle,
      .reset = count > 1 ? NULL : reset,
      .keep = kept,
      .keep_bytes = sizeof(kept),
  };
  const tinyops_smp_settings settings = {
      .context = &sum, .read = read_settings, .write = write_settings};
  const tinyops_app_release release = {
      .fleet = "wrist",
      .version = "1.2.3",
      .flash = flash,
      .flash_bytes = FLASH_BYTES,
      .sha256_of = tinyops_sha256_of,
      .image_calls = &tinyops_app_running_calls,
      .images = &management,
      .message = message,
      .message_bytes = sizeof(message),
      .settings = &settings,
  };
  const tinyops_app_board board = {
      .port = &port,
      .name = "desk",
      .contract = contract,
      .arena = arena,
      .arena_bytes = ARENA_BYTES,
      .frame = frame,
      .frame_values = FRAME_VALUES,
      .smp = tinyops_app_manage(&management, &app, &port, &release),
  };
  (void)tinyops_app_init(&app, &board);
  while (tinyops_app_poll(&app) != 0 || feof(stdin) == 0) {
  }
  return 0;
}
