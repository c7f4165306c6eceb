/* Cuts of power at every operation of flash in an update, in a revert, and again in the recovery
 * from each. For tests/build/test_slots_cuts.py.
 *
 * usage: slots_cuts LAYOUT(13 numbers) IMAGE SECONDS FULL KEY FILE... [DELTA]
 * IMAGE is updated: 0 firmware, 1 model. SECONDS: in how many of the operations of a recovery power
 * fails again: 0 none, 1 all, n each erase and each n-th unit. FULL: after how many of the cuts in
 * a slot's data the update is done again whole: 1 all, n each n-th; after every other operation it
 * always is, and after second cuts where images are small. Those are updated with the log at each
 * of its places. The 8 FILEs: firmware for slot 0 old and new, for slot 1, the same
 * of the model. DELTA makes the new one in slot 1 of the old one in slot 0, and is sent while that
 * runs. Prints counts. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../tinyops/runtime/update/log.h"
#include "slots_device.h"

static slots_file delta;
static uint32_t updated, second_stride, full_stride;
static uint32_t cuts[LEVELS], whole[LEVELS], seen[LEVELS], depth = 1;
static int32_t is_whole[LEVELS];

static int32_t is_data(const slots_device *d, uint32_t address, int32_t is_erase) {
  const tinyops_slot *state = &d->layout.state;
  return !is_erase && (address < state->origin || address >= state->origin + state->bytes);
}

static int32_t is_small(const slots_device *d) { return d->files[updated][1][NEW].count < 4096; }

static int32_t each(uint32_t number, uint32_t stride) { return number % stride == 0; }

static int32_t shall_cut(slots_device *d, uint32_t address, int32_t is_erase) {
  if (d->level >= depth || (d->level == 1 && second_stride == 0)) {
    return 0;
  }
  /* Where a sector is a byte, erasing is nothing special. */
  const int32_t is_rare = is_erase && d->layout.facts.erase_bytes >= 64;
  seen[d->level] += (uint32_t)!is_rare;
  const int32_t shall = d->level == 0 || is_rare || each(seen[1], second_stride);
  is_whole[d->level + 1] =
      d->level == 0 ? !is_data(d, address, is_erase) || each(seen[0], full_stride) : is_small(d);
  cuts[d->level + 1] += (uint32_t)shall;
  whole[d->level + 1] += (uint32_t)(shall && is_whole[d->level + 1]);
  return shall;
}

static void must(slots_device *d, int32_t status, const char *what) {
  EXPECT(status >= 0, "%s: %d (level %u, operation %u)", what, status, d->level,
         d->model.operations);
}

/* Starts as bootloader and application do; each finds what the record says, whole. */
static void start_up(slots_device *d) {
  must(d, slots_power_on(d), "open");
  slots_check(d);
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES; i++) {
    const tinyops_slots_image *image = &d->slots.images[i];
    const uint32_t wanted = image->state == TINYOPS_TRIAL_PENDING ? image->trial : image->active;
    const uint32_t counter = slots_holds(d, i, image->active) == NEW ? 2 : 1;
    EXPECT(image->counter == counter, "counter %u of image %u", image->counter, i);
    const int32_t slot = tinyops_slots_boot(&d->slots, i, NULL);
    EXPECT(slot == (int32_t)wanted, "image %u boots from %d, not from %u", i, slot, wanted);
    EXPECT(slots_holds(d, i, wanted) != VERSIONS, "image %u is lost", i);
    EXPECT(i == updated || slots_holds(d, i, wanted) == OLD, "image %u changed", i);
    EXPECT(tinyops_slots_running(&d->slots, i) == wanted, "image %u runs elsewhere", i);
  }
  slots_check(d);
}

static void put_on_trial(slots_device *d) {
  const uint32_t slot = d->slots.images[updated].active ^ 1u;
  const slots_file *file = &d->files[updated][slot][NEW];
  int32_t status = TINYOPS_SLOTS_ERR_BASE;
  if (delta.count != 0) {
    status = slots_upload_delta(d, updated, &delta, 61);
    EXPECT((status == TINYOPS_SLOTS_ERR_BASE) == (slot == 0), "a delta: %d", status);
  }
  if (status == TINYOPS_SLOTS_ERR_BASE) { /* as a client goes on, then */
    status = slots_upload(d, updated, file, 61);
  }
  must(d, status, "upload");
  must(d, tinyops_slots_test(&d->slots, updated, file->digest), "test");
  if (updated == TINYOPS_IMAGE_FIRMWARE) {
    start_up(d);
  } else {
    must(d, tinyops_slots_start(&d->slots, updated, NULL), "start");
  }
  EXPECT(tinyops_slots_running(&d->slots, updated) == slot, "it is not on trial");
}

static void update(slots_device *d) {
  if (d->slots.images[updated].state != TINYOPS_TRIAL_RUNNING) {
    put_on_trial(d);
  }
  must(d, tinyops_slots_confirm(&d->slots, updated), "confirm");
}

static void recover(slots_device *d) {
  const int32_t again = is_whole[d->level];
  start_up(d);
  if (again) {
    update(d);
    start_up(d);
    const uint32_t slot = d->slots.images[updated].active;
    EXPECT(slots_holds(d, updated, slot) == NEW, "the new one was not installed again");
  }
}

/* As it leaves a cable: the old ones in slot 0, and `records` records in the log. */
static void set_up(slots_device *d, uint32_t records) {
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES; i++) {
    slots_cable(d, &d->layout.slots[i][0], &d->files[i][0][OLD]);
    slots_cable(d, &d->layout.slots[i][1], NULL);
  }
  slots_cable(d, &d->layout.state, NULL);
  must(d, slots_power_on(d), "open");
  for (uint32_t i = 0; i < TINYOPS_SLOTS_IMAGES; i++) {
    EXPECT(tinyops_slots_boot(&d->slots, i, NULL) == 0, "it does not run as a cable left it");
  }
  while (d->slots.sequence < 2 + records) {
    must(d, tinyops_log_append(&d->slots), "append");
  }
}

static void print(const char *what) {
  printf("faults: cuts in %s: %u\n", what, cuts[1]);
  printf("after %u of them the update was done again\n", whole[1]);
  if (cuts[2] != 0) {
    printf("faults: second cuts in recoveries from them: %u\n", cuts[2]);
    printf("after %u of them the update was done again\n", whole[2]);
  }
  memset(cuts, 0, sizeof cuts);
  memset(whole, 0, sizeof whole);
  memset(seen, 0, sizeof seen);
}

/* Places for records in a half, and one: the other half is begun at every step of an update. */
static uint32_t phases(const slots_device *d) {
  const uint32_t unit = d->layout.facts.program_bytes;
  const uint32_t places = d->layout.state.bytes / 2 / ((156 + unit - 1) / unit * unit);
  return is_small(d) && places < 30 ? places + 1 : 1;
}

int main(int argc, char **argv) {
  static slots_device d;
  EXPECT(argc == 26 || argc == 27, "usage: see the source");
  slots_device_open(&d, argv + 1);
  updated = (uint32_t)atoi(argv[14]);
  second_stride = (uint32_t)atoi(argv[15]);
  full_stride = (uint32_t)atoi(argv[16]);
  depth = second_stride == 0 ? 1 : 2;
  static slots_file key;
  key = slots_load(argv[17]);
  memcpy(d.keys, key.bytes, key.count);
  d.key_count = key.count / TINYOPS_SLOTS_KEY_BYTES;
  for (uint32_t i = 0; i < 8; i++) {
    d.files[i / 4][i / 2 % 2][i % 2] = slots_load(argv[18 + i]);
  }
  if (argc == 27) {
    delta = slots_load(argv[26]);
  }
  d.recover = recover;
  for (uint32_t records = 0; records < phases(&d); records++) {
    set_up(&d, records);
    d.shall_cut = shall_cut;
    const uint32_t before = d.model.operations;
    update(&d);
    d.shall_cut = NULL;
    EXPECT(d.model.operations - before == cuts[1] || records != 0, "cuts were left out");
  }
  print("an update");
  for (uint32_t records = 0; records < phases(&d); records++) {
    for (uint32_t way = 0; way < 2; way++) {
      set_up(&d, records);
      put_on_trial(&d);
      d.shall_cut = shall_cut;
      if (way == 0) {
        start_up(&d);
      } else {
        must(&d, tinyops_slots_revert(&d.slots, updated, TINYOPS_TRIAL_SELF_TEST), "revert");
      }
      d.shall_cut = NULL;
    }
  }
  print("a revert");
  return 0;
}
