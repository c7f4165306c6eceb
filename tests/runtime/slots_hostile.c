/* Images that are not what they were: none is ever accepted. For tests/build/test_slots.py.
 *
 * usage: slots_hostile LAYOUT(13 numbers) KEYS IMAGE FILE STRIDE
 * FILE is a good image for slot 0 of IMAGE; every STRIDE-th bit of it is turned, and it is cut off
 * and lengthened at every STRIDE-th byte. Each goes two ways: written over SMP to a device that
 * runs it already (then it must be refused) and put there by a cable, which no record knows (then
 * it must not start). Prints counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "slots_device.h"

static slots_device d;
static uint32_t image;

/* Installs what it may; the device has no other image. */
static void must_refuse(const slots_file *file, const char *what, uint32_t at) {
  const tinyops_slot *slot = &d.layout.slots[image][0];
  if (file->count <= slot->bytes) {
    slots_cable(&d, &d.layout.state, NULL);
    slots_cable(&d, slot, file);
    EXPECT(slots_power_on(&d) == 0, "open");
    const int32_t booted = tinyops_slots_boot(&d.slots, image, NULL);
    EXPECT(booted == TINYOPS_SLOTS_ERR_ABSENT, "%s %u: boots from %d", what, at, booted);
  }
  /* Slot 1 runs by what the record says; nothing is there to find out more. */
  d.slots.images[image].active = 1;
  const int32_t status = slots_upload(&d, image, file, 100);
  EXPECT(status < 0, "%s %u: taken", what, at);
  EXPECT(tinyops_slots_test(&d.slots, image, file->digest) == TINYOPS_SLOTS_ERR_ABSENT,
         "%s %u: may be tested", what, at);
  EXPECT(d.model.broken == 0, "a rule of flash");
}

static void must_take(const slots_file *file) {
  slots_cable(&d, &d.layout.state, NULL);
  EXPECT(slots_power_on(&d) == 0, "open");
  d.slots.images[image].active = 1;
  const int32_t status = slots_upload(&d, image, file, 100);
  EXPECT(status == 0, "the good one: %d", status);
}

int main(int argc, char **argv) {
  static slots_file key, good;
  EXPECT(argc == 18, "usage: see the source");
  slots_device_open(&d, argv + 1);
  key = slots_load(argv[14]);
  memcpy(d.keys, key.bytes, key.count);
  d.key_count = key.count / TINYOPS_SLOTS_KEY_BYTES;
  image = (uint32_t)atoi(argv[15]);
  good = slots_load(argv[16]);
  const uint32_t stride = (uint32_t)atoi(argv[17]);
  must_take(&good);
  uint32_t flips = 0, lengths = 0;
  for (uint32_t bit = 0; bit < 8 * good.count; bit += stride) {
    good.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    must_refuse(&good, "bit", bit);
    good.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
    flips++;
  }
  slots_file other = {.bytes = calloc(good.count + 600, 1)};
  EXPECT(other.bytes != NULL, "no memory");
  memcpy(other.bytes, good.bytes, good.count);
  memcpy(other.digest, good.digest, sizeof good.digest);
  for (; other.count < good.count; other.count += stride, lengths++) {
    /* What the slot held before is the rest of the good one, unless it is erased. */
    must_take(&good);
    d.slots.images[image].active = 1;
    EXPECT(slots_upload(&d, image, &other, 100) < 0, "%u bytes: taken", other.count);
    if (other.count != 0) {
      must_refuse(&other, "length", other.count);
    }
  }
  for (other.count = good.count + 1; other.count < good.count + 600; other.count += stride) {
    EXPECT(slots_upload(&d, image, &other, 100) < 0, "%u bytes: taken", other.count);
    lengths++;
  }
  must_take(&good);
  printf("faults: bits turned: %u\nfaults: lengths that are wrong: %u\n", flips, lengths);
  free(other.bytes);
  return 0;
}
