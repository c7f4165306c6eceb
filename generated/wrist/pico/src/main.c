/* Firmware of pico in fleet wrist; rendered by `tinyops render`, never edited by hand.
 *
 * Input: frames sent by the host over the link. All memory of the application is here; the model image lies in its own slot. */
#include "contract.h"
#include "layout.h"
#include "tinyops/app.h"
#include "tinyops/boot.h"
#include "tinyops/delta.h"
#include "tinyops/manage.h"
#include "tinyops/settings_smp.h"

extern const uint8_t tinyops_flash_start[], tinyops_flash_end[]; /* by the linker script */

int main(void) {
  static const uint8_t contract[32] = CONTRACT_SHA256;
  static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(TINYOPS_ARENA_ALIGN)));
  static int16_t frame[FRAME_VALUES];
  static tinyops_app app;
  static tinyops_app_management management;
  static uint8_t message[SMP_MESSAGE_BYTES];

  tinyops_port port;
  tinyops_port_open(&port);
  static uint8_t unit[SETTINGS_UNIT_BYTES];
  static tinyops_smp_settings kept;
  static tinyops_settings settings;
  settings.origin = SETTINGS_ORIGIN;
  settings.bytes = SETTINGS_BYTES;
  settings.unit = unit;
  settings.unit_bytes = sizeof(unit);
  extern const struct tinyops_boot_table tinyops_boot_table; /* in the bootloader's region, by the linker script */
  const struct tinyops_boot_table *table = &tinyops_boot_table;
  static const tinyops_app_places places = {{LAYOUT_FIRMWARE, LAYOUT_MODEL}, LAYOUT_STATE};
  static uint8_t step[LAYOUT_UNIT_BYTES] __attribute__((aligned(4)));
  static uint8_t keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES];
  static tinyops_slots slots;
  static tinyops_app_updates updates;
  static tinyops_app_deltas deltas;
  slots.board = FIRMWARE_BOARD;
  slots.contract = contract;
  slots.unit = step;
  slots.unit_bytes = sizeof(step);
  const tinyops_smp_settings *served = tinyops_settings_attach(&settings, &kept, &port);
  tinyops_app_updates *replaced =
      tinyops_app_attach_updates(&updates, &slots, &places, table, &port, &settings, keys);
  const tinyops_app_release release = {
      .fleet = FIRMWARE_FLEET,
      .version = FIRMWARE_VERSION,
      .flash = tinyops_flash_start,
      .flash_bytes = (uint32_t)((uintptr_t)tinyops_flash_end - (uintptr_t)tinyops_flash_start),
      .sha256_of = tinyops_boot_is_usable(table) ? table->sha256_of : 0,
      .settings = served,
      .image_calls = replaced != 0 ? tinyops_app_take_deltas(&deltas, replaced) : 0,
      .images = replaced,
      .message = message,
      .message_bytes = sizeof(message),
  };
  const tinyops_app_board board = {
      .port = &port,
      .name = FIRMWARE_BOARD,
      .contract = contract,
      .updates = replaced,
      .arena = arena,
      .arena_bytes = ARENA_BYTES,
      .frame = frame,
      .frame_values = FRAME_VALUES,
      .rate_millihz = RATE_MILLIHZ,
      .smp = tinyops_app_manage(&management, &app, &port, &release),
  };

  (void)tinyops_app_init(&app, &board);
  for (;;) {
    if (tinyops_app_poll(&app) == 0) {
      port.idle(port.context);
    }
  }
}
