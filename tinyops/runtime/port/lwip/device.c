/* The cycle beside the application; see device.h.
 *
 * What happens is told on the serial line, a line of text between two zeros, which no client takes
 * for a frame. */
#include "device.h"

#include "tinyops/little_endian.h"

enum {
  VERSION = 1,
  TRIES = 2,
  TRIED = 3,
  SEQUENCE = 4,
  HEAD_BYTES = 3,
  WORD_BYTES = 4,
  DIGITS_MAX = 10
};
enum { MEMORY_BYTES = 3 * (HEAD_BYTES + WORD_BYTES) + HEAD_BYTES + TINYOPS_ENTRY_DIGEST_BYTES };

/* -- What a reset must not take -------------------------------------------------------------- */

static uint8_t *put_head(uint8_t *at, uint32_t tag, uint32_t bytes) {
  *at = (uint8_t)tag;
  tinyops_put16(at + 1, bytes);
  return at + HEAD_BYTES;
}

static void remember(void *context, const tinyops_fetch_memory *memory) {
  tinyops_device *device = (tinyops_device *)context;
  uint8_t values[MEMORY_BYTES];
  uint8_t *at = put_head(values, VERSION, WORD_BYTES);
  tinyops_put32(at, memory->version);
  at = put_head(at + WORD_BYTES, TRIES, WORD_BYTES);
  tinyops_put32(at, memory->tries);
  at = put_head(at + WORD_BYTES, TRIED, TINYOPS_ENTRY_DIGEST_BYTES);
  for (uint32_t i = 0; i < TINYOPS_ENTRY_DIGEST_BYTES; i++) {
    at[i] = memory->tried[i];
  }
  at = put_head(at + TINYOPS_ENTRY_DIGEST_BYTES, SEQUENCE, WORD_BYTES);
  tinyops_put32(at, memory->sequence);
  (void)tinyops_settings_take_piece(&device->memory, 0, MEMORY_BYTES, values, MEMORY_BYTES);
}

static uint32_t recall_word(tinyops_settings *memory, uint8_t tag) {
  uint8_t value[WORD_BYTES];
  const int32_t bytes = tinyops_settings_get(memory, tag, value, WORD_BYTES);
  return bytes == WORD_BYTES ? tinyops_get32(value) : 0;
}

static void recall(tinyops_device *device, tinyops_fetch_memory *memory) {
  const tinyops_device_config *config = device->config;
  device->memory = (tinyops_settings){
      .flash = config->port->flash,
      .context = config->port->context,
      .origin = config->memory_origin,
      .bytes = config->memory_bytes,
      .unit = device->unit,
      .unit_bytes = sizeof(device->unit),
  };
  *memory = (tinyops_fetch_memory){0};
  if (tinyops_settings_open(&device->memory) == TINYOPS_SETTINGS_OK) {
    memory->version = recall_word(&device->memory, VERSION);
    memory->tries = recall_word(&device->memory, TRIES);
    memory->sequence = recall_word(&device->memory, SEQUENCE);
    (void)tinyops_settings_get(&device->memory, TRIED, memory->tried, sizeof(memory->tried));
  }
}

/* -- What it tells --------------------------------------------------------------------------- */

static void say(const tinyops_device *device, const char *text) {
  const tinyops_port *port = device->config->port;
  uint32_t count = 0;
  while (text[count] != 0) {
    count++;
  }
  port->write(port->context, (const uint8_t *)text, count);
}

static void say_number(const tinyops_device *device, const char *before, uint32_t number) {
  char digits[DIGITS_MAX + 1];
  char *at = digits + DIGITS_MAX;
  *at = 0;
  do {
    *--at = (char)('0' + number % 10u);
    number /= 10u;
  } while (number != 0);
  say(device, before);
  say(device, at);
}

static void say_reason(const tinyops_device *device, const tinyops_fetch_report *report) {
  say(device, tinyops_fetch_reason(report->reason));
  if (report->reason == TINYOPS_FETCH_ERR_STATUS || report->reason == TINYOPS_FETCH_ERR_TRIAL) {
    say_number(device, " ", report->status);
  }
  if (report->host[0] != 0) {
    say(device, " (");
    say(device, report->host);
    say(device, ")");
  }
}

static void say_event(const tinyops_device *device, const tinyops_fetch_report *report) {
  switch (report->event) {
    case TINYOPS_FETCHED_UNCHANGED:
      say_number(device, "unchanged, version ", report->version);
      say_number(device, ", received ", report->received);
      break;
    case TINYOPS_FETCHED_UP_TO_DATE:
      say_number(device, "up to date, version ", report->version);
      break;
    case TINYOPS_FETCHED_OFFER:
      say_number(device, "model of version ", report->version);
      say_number(device, ", bytes ", report->total);
      say_number(device, ", from ", report->bytes);
      break;
    case TINYOPS_FETCHED_RESUMES:
      say_number(device, "resumes at ", report->bytes);
      say(device, ": ");
      say_reason(device, report);
      break;
    case TINYOPS_FETCHED_TRIAL:
      say_number(device, "model on trial, received ", report->received);
      break;
    case TINYOPS_FETCHED_CONFIRMED:
      say_number(device, "confirmed, version ", report->version);
      break;
    case TINYOPS_FETCHED_WAITS:
      say_number(device, "waits for its wave, version ", report->version);
      break;
    default:
      say(device, report->event == TINYOPS_FETCHED_REFUSED ? "refused: " : "failed: ");
      say_reason(device, report);
      break;
  }
}

static void tell(void *context, const tinyops_fetch_report *report) {
  const tinyops_device *device = (const tinyops_device *)context;
  const tinyops_port *port = device->config->port;
  static const uint8_t zero = 0;
  port->write(port->context, &zero, 1);
  say(device, "fetch: ");
  say_event(device, report);
  say(device, "\n");
  port->write(port->context, &zero, 1);
}

/* -- The trial ------------------------------------------------------------------------------- */

/* Its self-test passed before it was on trial; now it has to live. */
static int32_t judge_trial(void *context) {
  tinyops_device *device = (tinyops_device *)context;
  const tinyops_device_config *config = device->config;
  const uint32_t now_ms = config->board->now_ms();
  if (device->is_on_trial == 0) {
    device->is_on_trial = 1;
    device->trial_since_ms = now_ms;
  }
  if (config->app->state != TINYOPS_OK) {
    device->is_on_trial = 0;
    return -1;
  }
  if (now_ms - device->trial_since_ms < config->trial_ms) {
    return 0;
  }
  device->is_on_trial = 0;
  return 1;
}

/* -- Settings -------------------------------------------------------------------------------- */

static int32_t read_text(tinyops_device *device, uint8_t tag, char *text, uint32_t most) {
  const int32_t bytes = tinyops_settings_get(device->config->settings, tag, (uint8_t *)text, most);
  text[bytes > 0 ? bytes : 0] = 0;
  return bytes > 0;
}

/* A firmware that is older than its settings must not take the clock back, nor the reverse. */
static void read_time(tinyops_device *device) {
  uint8_t value[8];
  const tinyops_device_config *config = device->config;
  uint64_t written_s = 0;
  if (tinyops_settings_get(config->settings, TINYOPS_SETTINGS_WRITTEN, value, sizeof(value)) ==
      (int32_t)sizeof(value)) {
    written_s = tinyops_get32(value) | (uint64_t)tinyops_get32(value + 4) << 32;
  }
  const uint64_t least_s = written_s > config->built_s ? written_s : config->built_s;
  if (least_s > device->clock.least_s) {
    device->clock.least_s = least_s;
  }
}

static void read_settings(tinyops_device *device) {
  const tinyops_device_config *config = device->config;
  tinyops_slots *slots = config->updates->slots;
  device->sequence = config->settings->sequence;
  device->is_told = read_text(device, TINYOPS_SETTINGS_ENDPOINT, device->endpoint,
                              TINYOPS_DEVICE_ENDPOINT_MAX) != 0;
  if (read_text(device, TINYOPS_SETTINGS_FLEET, device->fleet, TINYOPS_DEVICE_NAME_MAX) == 0) {
    for (uint32_t i = 0; i < TINYOPS_DEVICE_NAME_MAX && config->fleet[i] != 0; i++) {
      device->fleet[i] = config->fleet[i];
      device->fleet[i + 1u] = 0;
    }
  }
  (void)read_text(device, TINYOPS_SETTINGS_DEVICE, device->name, TINYOPS_DEVICE_NAME_MAX);
  device->cycle.unit = device->name[0] != 0 ? device->name : 0;
  const int32_t keys =
      tinyops_settings_get(config->settings, TINYOPS_SETTINGS_IMAGE_KEYS, config->updates->keys,
                           TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES);
  slots->key_count = keys > 0 ? (uint32_t)keys / TINYOPS_SLOTS_KEY_BYTES : 0;
  const int32_t roots = tinyops_settings_get(config->settings, TINYOPS_SETTINGS_ROOTS,
                                             device->roots, sizeof(device->roots));
  device->roots_bytes = roots > 0 ? (uint32_t)roots : 0;
  read_time(device);
  tinyops_network_set_roots(device->roots, device->roots_bytes);
}

/* A number that differs from device to device: of its name's letters. */
static uint32_t spread_of(tinyops_device *device) {
  const char *name = device->name;
  uint32_t spread = 2166136261u; /* FNV-1a */
  for (uint32_t i = 0; name[i] != 0; i++) {
    spread = (spread ^ (uint8_t)name[i]) * 16777619u;
  }
  return spread;
}

/* -- The owner's ----------------------------------------------------------------------------- */

static void open_cycle(tinyops_device *device) {
  const tinyops_device_config *config = device->config;
  tinyops_fetch_memory memory;
  device->cycle = (tinyops_fetch_config){
      .stream = &device->stream,
      .table = config->table,
      .slots = config->updates->slots,
      .clock = &device->clock,
      .endpoint = device->endpoint,
      .fleet = device->fleet,
      .board = config->name,
      .unit = device->name[0] != 0 ? device->name : 0,
      .contract = config->contract,
      .entry = device->entry,
      .piece = device->piece,
      .piece_bytes = sizeof(device->piece),
      .interval_ms = config->interval_ms,
      .retry_ms = config->retry_ms,
      .spread = spread_of(device),
      .context = device,
      .trial = judge_trial,
      .remember = remember,
      .report = tell,
  };
  recall(device, &memory);
  tinyops_fetch_open(&device->fetch, &device->cycle, &memory);
}

void tinyops_device_open(tinyops_device *device, const tinyops_device_config *config) {
  *device = (tinyops_device){.config = config};
  device->network = (tinyops_network_config){
      .board = config->board,
      .clock = &device->clock,
      .heap = config->heap,
      .heap_bytes = config->heap_bytes,
  };
  device->is_up = tinyops_network_open(&device->network, &device->stream) == 0;
  read_settings(device);
  if (device->is_up != 0) {
    open_cycle(device);
  }
}

int32_t tinyops_device_poll(tinyops_device *device) {
  if (device->is_up == 0) {
    return 0;
  }
  if (device->config->settings->sequence != device->sequence) {
    read_settings(device);
    tinyops_fetch_now(&device->fetch);
  }
  const int32_t came = tinyops_network_poll();
  if (device->is_told == 0 || tinyops_network_has_address() == 0) {
    return came;
  }
  return tinyops_fetch_poll(&device->fetch) != 0 || came != 0;
}
