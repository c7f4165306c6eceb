/* Deltas that are not what they were: none makes anything but the image that was signed. For
 * tests/build/test_deltas.py.
 *
 * usage: slots_delta_hostile LAYOUT(13 numbers) KEYS IMAGE OLD NEW DELTA STRIDE
 * OLD runs in slot 0; DELTA makes NEW of it in slot 1. Every STRIDE-th bit of it is turned, it is
 * cut off and lengthened at every STRIDE-th byte, and sent to a device that runs another image, or
 * none. OLD keeps its bytes and runs on. Prints counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slots_device.h"

enum { PIECE = 37 };

static slots_device d;
static slots_file old, made, delta;
static uint32_t image, pauses_max;

static void set_up(const slots_file *running) {
  slots_cable(&d, &d.layout.state, NULL);
  slots_cable(&d, &d.layout.slots[image][0], running);
  slots_cable(&d, &d.layout.slots[image][1], NULL);
  EXPECT(slots_power_on(&d) == 0, "open");
  const int32_t booted = tinyops_slots_boot(&d.slots, image, NULL);
  EXPECT((booted == 0) == (running != NULL), "boots from %d", booted);
}

/* Sends a file as a delta. Returns the status; what ran runs. */
static int32_t send(const slots_file *file, const char *what, uint32_t at) {
  d.pauses = 0;
  const int32_t status = slots_upload_delta(&d, image, file, PIECE);
  pauses_max = d.pauses > pauses_max ? d.pauses : pauses_max;
  EXPECT(d.model.broken == 0, "%s %u: a rule of flash", what, at);
  EXPECT(d.slots.writing == TINYOPS_SLOTS_NONE, "%s %u: is still being written", what, at);
  EXPECT(memcmp(d.model.content + (d.layout.slots[image][0].origin - d.layout.facts.origin),
                old.bytes, old.count) == 0,
         "%s %u: the base changed", what, at);
  EXPECT(status < 0 || slots_holds(&d, image, 1) == NEW, "%s %u: taken, and another image", what,
         at);
  const int32_t test = tinyops_slots_test(&d.slots, image, made.digest);
  EXPECT((test == 0) == (status == 0), "%s %u: %d, may be tested: %d", what, at, status, test);
  return status;
}

static uint32_t turn_bits(uint32_t stride) {
  uint32_t flips = 0;
  for (uint32_t bit = 0; bit < 8 * delta.count; bit += stride, flips++) {
    delta.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    const int32_t status = send(&delta, "bit", bit);
    /* How much of the base may be read is a bound; the last bytes hold more digits than needed. */
    const uint32_t at = bit / 8;
    EXPECT(status < 0 || at / 4 == TINYOPS_DELTA_AT_BASE_BYTES / 4 || at >= delta.count - 4,
           "bit %u: taken", bit);
    delta.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
  }
  return flips;
}

static uint32_t change_length(uint32_t stride) {
  uint32_t lengths = 0;
  slots_file other = {.bytes = calloc(delta.count + 64, 1)};
  EXPECT(other.bytes != NULL, "no memory");
  memcpy(other.bytes, delta.bytes, delta.count);
  for (other.count = 32; other.count < delta.count; other.count += stride, lengths++) {
    EXPECT(send(&other, "length", other.count) < 0, "%u bytes: taken", other.count);
  }
  for (other.count = delta.count + 1; other.count < delta.count + 64; other.count += 1, lengths++) {
    const int32_t status = send(&other, "length", other.count);
    EXPECT(status == TINYOPS_SLOTS_ERR_DELTA, "%u bytes more: %d", other.count - delta.count,
           status);
  }
  free(other.bytes);
  return lengths;
}

/* A model runs in any slot, or there is none; a firmware that is not the base has its digest. */
static void other_bases(void) {
  if (image == TINYOPS_IMAGE_MODEL) {
    set_up(&made);
    EXPECT(slots_upload_delta(&d, image, &delta, PIECE) == TINYOPS_SLOTS_ERR_BASE, "another base");
    set_up(NULL);
    EXPECT(slots_upload_delta(&d, image, &delta, PIECE) == TINYOPS_SLOTS_ERR_BASE, "no base");
  }
  set_up(&old);
  delta.bytes[TINYOPS_DELTA_AT_BASE_DIGEST] ^= 1u;
  EXPECT(send(&delta, "another digest", 0) == TINYOPS_SLOTS_ERR_BASE, "another digest");
}

int main(int argc, char **argv) {
  static slots_file key;
  EXPECT(argc == 20, "usage: see the source");
  slots_device_open(&d, argv + 1);
  key = slots_load(argv[14]);
  memcpy(d.keys, key.bytes, key.count);
  d.key_count = key.count / TINYOPS_SLOTS_KEY_BYTES;
  image = (uint32_t)atoi(argv[15]);
  old = d.files[image][0][OLD] = slots_load(argv[16]);
  made = d.files[image][1][NEW] = slots_load(argv[17]);
  delta = slots_load(argv[18]);
  const uint32_t stride = (uint32_t)atoi(argv[19]);
  set_up(&old);
  EXPECT(send(&delta, "the good one", 0) == 0, "the good one is refused");
  const uint32_t flips = turn_bits(stride);
  const uint32_t lengths = change_length(stride);
  EXPECT(pauses_max <= made.count / TINYOPS_DELTA_PIECE + 3 * d.layout.slots[image][1].bytes / 64,
         "%u pieces of work", pauses_max);
  EXPECT(send(&delta, "the good one", 0) == 0, "the good one is refused");
  other_bases();
  printf("faults: bits turned: %u\nfaults: lengths that are wrong: %u\n", flips, lengths);
  printf("faults: other bases: %d\n", image == TINYOPS_IMAGE_MODEL ? 3 : 1);
  return 0;
}
