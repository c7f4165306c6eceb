/* The SMP server on this machine: bytes of a line in, what the server sends out.
 *
 *   run_smp BUFFER_BYTES
 *
 * The buffer has exactly that many bytes, so that a sanitizer sees one too many. Settings lie in a
 * buffer of their own; a reset is told on stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tinyops/smp.h"

enum { SETTINGS_MAX = 300, UPLOAD_BYTES = 5000, REFUSING = 50 };

static uint8_t digest[TINYOPS_SMP_DIGEST_BYTES];
static const uint8_t number[TINYOPS_SMP_SILICON_MAX] = {0xe6, 0x60, 0, 1};
static uint8_t settings[SETTINGS_MAX], incoming[SETTINGS_MAX];
static uint32_t settings_bytes, arrived, resets;
static tinyops_crash fault = {.pc = 0x1234, .lr = 0xffffffff, .uptime_ms = 77};
static int crashed = 1;

static void write_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  (void)fwrite(bytes, 1, count, stdout);
}

static void describe(void *context, tinyops_smp_info *info) {
  (void)context;
  *info = (tinyops_smp_info){.board = "desk",
                             .fleet = "wrist",
                             .version = "1.2.3",
                             .contract = digest,
                             .firmware = digest,
                             .abi = 1,
                             .state = -16,
                             .arena_bytes = 4096,
                             .ram_bytes = 70000,
                             .free_slots = 1,
                             .silicon = number,
                             .silicon_bytes = sizeof(number)};
}

static void find_health(void *context, tinyops_health *health) {
  (void)context;
  *health = (tinyops_health){.uptime_ms = UINT32_MAX, .sensor = -3, .classes = UINT32_MAX};
  for (uint32_t i = 0; i < TINYOPS_HEALTH_CLASSES_MAX; i++) {
    health->histogram[i] = i << (2 * i);
  }
}

static const tinyops_crash *find_crash(void *context) {
  (void)context;
  return crashed ? &fault : NULL;
}

static void clear_crash(void *context) {
  (void)context;
  crashed = 0;
}

static int32_t test_itself(void *context, int32_t keep, tinyops_smp_test *test) {
  (void)context;
  *test = (tinyops_smp_test){.count = 2, .names = {"image", "model"}, .statuses = {0, -3}};
  test->outputs_crc = (uint32_t)keep;
  return 0;
}

static int32_t time_model(void *context, uint32_t repeat, tinyops_smp_bench *bench) {
  (void)context;
  bench->ticks = (tinyops_smp_spread){1, 2, (uint64_t)repeat << 32};
  return repeat == 13 ? -TINYOPS_SMP_ERR_FAILED : 0;
}

static void reset(void *context) {
  (void)context;
  resets++;
}

static int32_t read_settings(void *context, uint32_t offset, uint8_t *bytes, uint32_t room,
                             uint32_t *count, uint32_t *total) {
  (void)context;
  if (offset > settings_bytes) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  *total = settings_bytes;
  *count = settings_bytes - offset < room ? settings_bytes - offset : room;
  memcpy(bytes, settings + offset, *count);
  return 0;
}

static int32_t write_settings(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count,
                              uint32_t total) {
  (void)context;
  if (total > SETTINGS_MAX || (offset != 0 && offset != arrived)) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  memcpy(incoming + offset, bytes, count);
  arrived = offset + count;
  if (arrived == total) {
    memcpy(settings, incoming, total);
    settings_bytes = total;
    arrived = 0;
  }
  return 0;
}

/* Four slots with the longest version, and a file of UPLOAD_BYTES that is kept nowhere. */
static int32_t describe_slot(void *images, uint32_t image, uint32_t slot, tinyops_smp_slot *found) {
  (void)images;
  *found = (tinyops_smp_slot){.has_digest = 1, .bootable = 1, .pending = slot == 1};
  found->image.major = found->image.minor = UINT8_MAX;
  found->image.revision = UINT16_MAX;
  found->image.build = UINT32_MAX;
  found->image.digest[0] = (uint8_t)(2 * image + slot);
  found->active = found->confirmed = slot == 0;
  return 1;
}

static int32_t begin_upload(void *images, uint32_t image, uint32_t bytes, const uint8_t *sha) {
  uint32_t *upload = (uint32_t *)images;
  if (image > 1) {
    return TINYOPS_SLOTS_ERR_NO_SLOT;
  }
  if (bytes > UPLOAD_BYTES) {
    return TINYOPS_SLOTS_ERR_BYTES;
  }
  upload[0] = sha != NULL && upload[1] == bytes ? upload[0] : 0;
  upload[1] = bytes;
  return (int32_t)upload[0];
}

/* Reads all that it is given, which a sanitizer watches. */
static int32_t take_upload(void *images, uint32_t offset, const uint8_t *bytes, uint32_t count) {
  uint32_t *upload = (uint32_t *)images;
  for (uint32_t i = 0; i < count; i++) {
    upload[2] ^= bytes[i];
  }
  if (offset != upload[0]) {
    return (int32_t)upload[0];
  }
  if (count > upload[1] - offset) {
    return TINYOPS_SLOTS_ERR_BYTES;
  }
  upload[0] += count;
  return (int32_t)upload[0];
}

static int32_t erase_slot(void *images, uint32_t image, uint32_t slot) {
  (void)images;
  if (image >= REFUSING) {
    return (int32_t)REFUSING - (int32_t)image;
  }
  return image > 1 ? TINYOPS_SLOTS_ERR_NO_SLOT : slot == 0 ? TINYOPS_SLOTS_ERR_STATE : 0;
}

static int32_t test_image(void *images, uint32_t image, const uint8_t *sha) {
  (void)images;
  (void)image;
  return sha[0] == 3 ? 0 : TINYOPS_SLOTS_ERR_STATE;
}

static int32_t agree(void *images, uint32_t image) {
  (void)images;
  (void)image;
  return 0;
}

static void report(void *images, uint32_t image, tinyops_smp_update *update) {
  (void)images;
  *update = (tinyops_smp_update){image, 2, 3, 4, 5, UINT32_MAX, 7, 8, 9};
}

static void prepare_reset(void *images) { (void)images; }

int main(int count, char **arguments) {
  if (count != 2) {
    return 2;
  }
  static const tinyops_smp_settings kept = {.read = read_settings, .write = write_settings};
  static const tinyops_smp_images calls = {.describe = describe_slot,
                                           .begin = begin_upload,
                                           .write = take_upload,
                                           .erase = erase_slot,
                                           .test = test_image,
                                           .confirm = agree,
                                           .revert = agree,
                                           .report = report,
                                           .prepare_reset = prepare_reset};
  static uint32_t upload[3];
  static const tinyops_smp_board board = {.image_calls = &calls,
                                          .images = upload,
                                          .write = write_bytes,
                                          .info = describe,
                                          .health = find_health,
                                          .crash = find_crash,
                                          .clear_crash = clear_crash,
                                          .self_test = test_itself,
                                          .bench = time_model,
                                          .reset = reset,
                                          .settings = &kept};
  const uint32_t bytes = (uint32_t)strtoul(arguments[1], NULL, 10);
  uint8_t *buffer = malloc(bytes);
  tinyops_smp smp;
  if (buffer == NULL) {
    return 2;
  }
  tinyops_smp_open(&smp, &board, TINYOPS_SMP_LOCAL, buffer, bytes);
  for (int byte = getchar(); byte != EOF; byte = getchar()) {
    if (tinyops_smp_feed(&smp, (uint8_t)byte) != 0) {
      tinyops_smp_serve(&smp);
    }
  }
  (void)fprintf(stderr, "%u %u\n", (unsigned)resets, (unsigned)smp.bad_messages);
  free(buffer);
  return 0;
}
