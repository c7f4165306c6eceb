/* The bootloader: which firmware starts, and whether it may.
 *
 * It decides by the slots' log alone (tinyops/slots.h) and writes to flash only what that says. RAM
 * above its own, which a reset keeps, and the registers that tell why the board was reset, are the
 * firmware's. It keeps no globals: the firmware calls what it has through its table (table.c). */
#include "board.h"
#include "layout.h"
#include "start.h"
#include "tinyops/boot.h"
#include "tinyops/settings.h"

enum {
  KEY_BYTES = TINYOPS_SLOTS_KEY_BYTES,
  KEYS_MAX = TINYOPS_SLOTS_KEYS_MAX,
};

extern const tinyops_boot_table tinyops_boot_own;

/* Copies the trusted keys to `keys`; returns how many. A board that was never enrolled trusts none,
 * and runs what a cable wrote. One whose settings cannot be read trusts one key of zeros, which
 * signs nothing: what was verified before still runs, nothing new does. */
static uint32_t read_keys(const tinyops_port_flash *flash, uint8_t *unit, uint8_t *keys) {
  tinyops_settings settings = {.flash = flash,
                               .origin = LAYOUT_SETTINGS_ORIGIN,
                               .bytes = LAYOUT_SETTINGS_BYTES,
                               .unit = unit,
                               .unit_bytes = LAYOUT_UNIT_BYTES};
  int32_t found = tinyops_settings_open(&settings);
  if (found == 0) {
    found =
        tinyops_settings_get(&settings, TINYOPS_SETTINGS_IMAGE_KEYS, keys, KEYS_MAX * KEY_BYTES);
  }
  if (found == TINYOPS_SETTINGS_ERR_NONE) {
    return 0;
  }
  if (found <= 0 || found % KEY_BYTES != 0) {
    for (uint32_t i = 0; i < KEY_BYTES; i++) {
      keys[i] = 0;
    }
    return 1;
  }
  return (uint32_t)found / KEY_BYTES;
}

static void feed(void *context) {
  (void)context;
  tinyops_boot_feed();
}

/* Returns the address of the vector table that starts, 0: none does. */
static uint32_t choose(void) {
  uint8_t unit[LAYOUT_UNIT_BYTES] __attribute__((aligned(4)));
  uint8_t keys[KEYS_MAX * KEY_BYTES];
  tinyops_image_info info;
  tinyops_slots slots = {.flash = tinyops_boot_flash(),
                         .crypto = &tinyops_boot_own,
                         .slots = {LAYOUT_FIRMWARE, LAYOUT_MODEL},
                         .state = LAYOUT_STATE,
                         .board = LAYOUT_BOARD,
                         .keys = keys,
                         .unit = unit,
                         .unit_bytes = sizeof(unit),
                         .pause = feed};
  slots.key_count = read_keys(slots.flash, unit, keys);
  if (tinyops_slots_open(&slots) != TINYOPS_SLOTS_OK) {
    return 0;
  }
  const int32_t slot = tinyops_slots_boot(&slots, TINYOPS_IMAGE_FIRMWARE, &info);
  if (slot < 0) {
    return 0;
  }
  if (slots.images[TINYOPS_IMAGE_FIRMWARE].state == TINYOPS_TRIAL_RUNNING) {
    tinyops_boot_watch();
  }
  return slots.slots[TINYOPS_IMAGE_FIRMWARE][slot].origin + info.header_bytes;
}

int main(void) {
  tinyops_boot_open_board();
  const uint32_t vectors = choose();
  if (vectors != 0) {
    tinyops_boot_start(vectors);
  }
  tinyops_boot_wait();
}
