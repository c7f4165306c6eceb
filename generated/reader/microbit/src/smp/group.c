/* Our group; keys and meanings as in tinyops/link/smp. */
#include <stddef.h>

#include "server.h"

/* What stands in the order of an answer's numbers is given to cbor_entry_words as it is. */
typedef char health_is_words[offsetof(tinyops_health, confidence_steps) == 12 * 4 ? 1 : -1];
typedef char update_is_words[sizeof(tinyops_smp_update) == 9 * 4 ? 1 : -1];
typedef char crash_is_words[sizeof(tinyops_crash) == 10 * 4 ? 1 : -1];

#define KEY(name) TINYOPS_SMP_##name

int32_t server_info(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  cbor_writer *out = asked->out;
  if (board->info == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  tinyops_smp_info info = {0};
  board->info(board->context, &info);
  cbor_put_open_map(out);
  cbor_entry_text(out, KEY(INFO_BOARD), info.board);
  cbor_entry_text(out, KEY(INFO_FLEET), info.fleet);
  cbor_entry_text(out, KEY(INFO_FIRMWARE_VERSION), info.version);
  cbor_entry_bytes(out, KEY(INFO_CONTRACT), info.contract, TINYOPS_SMP_DIGEST_BYTES);
  cbor_entry_bytes(out, KEY(INFO_FIRMWARE), info.firmware, TINYOPS_SMP_DIGEST_BYTES);
  cbor_entry_bytes(out, KEY(INFO_MODEL), info.model, TINYOPS_SMP_DIGEST_BYTES);
  const uint32_t words[] = {info.image_crc,   info.abi,       (uint32_t)info.state,
                            info.arena_bytes, info.ram_bytes, info.free_slots};
  cbor_entry_words(out, KEY(INFO_WORDS), words);
  cbor_entry_bytes(out, KEY(INFO_SILICON), info.silicon, info.silicon_bytes);
  cbor_put_end(out);
  return MGMT_OK;
}

int32_t server_health(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  if (board->health == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  tinyops_health health = {0};
  board->health(board->context, &health);
  cbor_put_open_map(asked->out);
  cbor_entry_words(asked->out, KEY(HEALTH_WORDS), &health.uptime_ms);
  cbor_put_text(asked->out, KEY(HEALTH_HISTOGRAM));
  cbor_put_open_array(asked->out);
  for (uint32_t i = 0; i < health.classes && i < TINYOPS_HEALTH_CLASSES_MAX; i++) {
    cbor_put_uint(asked->out, health.histogram[i]);
  }
  cbor_put_end(asked->out);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

static void put_test(cbor_writer *out, const tinyops_smp_test *test) {
  cbor_put_open_map(out);
  cbor_put_text(out, KEY(SELF_TEST_NAMES));
  cbor_put_open_array(out);
  for (uint32_t i = 0; i < test->count; i++) {
    cbor_put_text(out, test->names[i]);
  }
  cbor_put_end(out);
  cbor_put_text(out, KEY(SELF_TEST_STATUSES));
  cbor_put_open_array(out);
  for (uint32_t i = 0; i < test->count; i++) {
    cbor_put_int(out, test->statuses[i]);
  }
  cbor_put_end(out);
  cbor_entry_uint(out, KEY(SELF_TEST_OUTPUTS_CRC), test->outputs_crc);
  cbor_put_end(out);
}

int32_t server_self_test(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  cbor_item keep = {CBOR_SIMPLE, CBOR_FALSE, 0};
  if (board->self_test == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  if (server_find(asked, KEY(SELF_TEST_KEEP), CBOR_SIMPLE, &keep) < 0) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  tinyops_smp_test test = {0};
  const int32_t status = board->self_test(board->context, keep.value == CBOR_TRUE, &test);
  if (status == 0) {
    put_test(asked->out, &test);
  }
  return status;
}

int32_t server_read_settings(const exchange *asked) {
  const tinyops_smp_settings *settings = asked->smp->board->settings;
  cbor_item offset;
  if (settings == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  if (server_find(asked, KEY(SETTINGS_OFF), CBOR_UINT, &offset) <= 0) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  uint8_t piece[TINYOPS_SMP_SETTINGS_PIECE];
  uint32_t count = 0;
  uint32_t total = 0;
  const int32_t status =
      settings->read(settings->context, offset.value, piece, sizeof(piece), &count, &total);
  if (status == 0) {
    cbor_put_open_map(asked->out);
    cbor_entry_uint(asked->out, KEY(SETTINGS_OFF), offset.value);
    cbor_entry_uint(asked->out, KEY(SETTINGS_LEN), total);
    cbor_entry_bytes(asked->out, KEY(SETTINGS_DATA), piece, count);
    cbor_put_end(asked->out);
  }
  return status;
}

int32_t server_write_settings(const exchange *asked) {
  const tinyops_smp_settings *settings = asked->smp->board->settings;
  cbor_item offset;
  cbor_item total;
  cbor_item data;
  if (settings == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  if (asked->smp->link != TINYOPS_SMP_LOCAL && settings->trusts_keys != 0 &&
      settings->trusts_keys(settings->context) != 0) {
    return -TINYOPS_SMP_ERR_ACCESS;
  }
  if (server_find(asked, KEY(SETTINGS_OFF), CBOR_UINT, &offset) <= 0 ||
      server_find(asked, KEY(SETTINGS_LEN), CBOR_UINT, &total) <= 0 ||
      server_find(asked, KEY(SETTINGS_DATA), CBOR_BYTES, &data) <= 0 ||
      offset.value > total.value || data.value > total.value - offset.value) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  const int32_t status =
      settings->write(settings->context, offset.value, data.bytes, data.value, total.value);
  if (status == 0) {
    cbor_put_open_map(asked->out);
    cbor_entry_uint(asked->out, KEY(SETTINGS_OFF), offset.value + data.value);
    cbor_put_end(asked->out);
  }
  return status;
}

static void put_bench(cbor_writer *out, uint32_t repeat, const tinyops_smp_bench *bench) {
  const uint32_t words[] = {repeat,           bench->ticks.least,  bench->ticks.largest,
                            bench->tick_hz,   bench->cycles.least, bench->cycles.largest,
                            bench->cycle_bits};
  cbor_put_open_map(out);
  cbor_entry_words(out, KEY(BENCH_WORDS), words);
  cbor_entry_long(out, KEY(BENCH_TICKS_SUM), bench->ticks.sum);
  cbor_entry_long(out, KEY(BENCH_CYCLES_SUM), bench->cycles.sum);
  cbor_entry_bool(out, KEY(BENCH_EMULATED), bench->emulated);
  cbor_put_end(out);
}

int32_t server_bench(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  cbor_item repeat;
  if (board->bench == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  if (server_find(asked, KEY(BENCH_REPEAT), CBOR_UINT, &repeat) <= 0 || repeat.value < 1 ||
      repeat.value > TINYOPS_SMP_BENCH_REPEAT_MAX) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  tinyops_smp_bench bench = {.tick_hz = 0};
  const int32_t status = board->bench(board->context, repeat.value, &bench);
  if (status == 0) {
    put_bench(asked->out, repeat.value, &bench);
  }
  return status;
}

int32_t server_read_crash(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  if (board->crash == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  const tinyops_crash *crash = board->crash(board->context);
  cbor_put_open_map(asked->out);
  cbor_entry_bool(asked->out, KEY(CRASH_CRASHED), crash != 0);
  if (crash != 0) {
    cbor_entry_words(asked->out, KEY(CRASH_WORDS), &crash->pc);
  }
  cbor_put_end(asked->out);
  return MGMT_OK;
}

int32_t server_clear_crash(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  if (board->clear_crash == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  board->clear_crash(board->context);
  return server_say_nothing(asked);
}

/* Which image an UPDATE asks for. Returns it, or a negated TINYOPS_SMP_ERR. */
static int32_t find_image(const exchange *asked) {
  cbor_item image;
  if (server_updater(asked) == 0) {
    return -TINYOPS_SMP_ERR_UNSUPPORTED;
  }
  if (server_find(asked, TINYOPS_SMP_UPDATE_IMAGE, CBOR_UINT, &image) <= 0) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  return image.value < TINYOPS_SLOTS_IMAGES ? (int32_t)image.value : -TINYOPS_SMP_ERR_ABSENT;
}

int32_t server_update(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  const int32_t image = find_image(asked);
  tinyops_smp_update report;
  if (image < 0) {
    return image;
  }
  board->image_calls->report(board->images, (uint32_t)image, &report);
  cbor_put_open_map(asked->out);
  cbor_entry_words(asked->out, TINYOPS_SMP_UPDATE_WORDS, &report.state);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

int32_t server_end_trial(const exchange *asked) {
  const tinyops_smp_board *board = asked->smp->board;
  const int32_t image = find_image(asked);
  if (image < 0) {
    return image;
  }
  return board->image_calls->revert(board->images, (uint32_t)image) < 0 ? -TINYOPS_SMP_ERR_FAILED
                                                                        : server_say_nothing(asked);
}
