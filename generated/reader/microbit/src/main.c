/* Firmware of microbit in fleet reader; rendered by `tinyops render`, never edited by hand.
 *
 * Input: frames sent by the host over the link. All memory of the application is here; the model image lies in its own slot. */
#include "contract.h"
#include "tinyops/app.h"
#include "tinyops/manage.h"
#include "tinyops/settings_smp.h"

extern const uint8_t tinyops_flash_start[], tinyops_flash_end[]; /* by the linker script */

extern const uint8_t tinyops_model_slot[]; /* placed by the linker script */

int main(void) {
  static const uint8_t contract[32] = CONTRACT_SHA256;
  static uint8_t arena[ARENA_BYTES] __attribute__((section(".arena"), aligned(TINYOPS_ARENA_ALIGN)));
  static int16_t frame[FRAME_VALUES];
  static tinyops_app app;
  static tinyops_app_management management;

  tinyops_port port;
  tinyops_port_open(&port);
  static uint8_t unit[SETTINGS_UNIT_BYTES];
  static tinyops_smp_settings kept;
  static tinyops_settings settings = {
      .origin = SETTINGS_ORIGIN, .bytes = SETTINGS_BYTES, .unit = unit, .unit_bytes = sizeof(unit)};
  const tinyops_app_release release = {
      .fleet = FIRMWARE_FLEET,
      .version = FIRMWARE_VERSION,
      .flash = tinyops_flash_start,
      .flash_bytes = (uint32_t)((uintptr_t)tinyops_flash_end - (uintptr_t)tinyops_flash_start),
      .settings = tinyops_settings_attach(&settings, &kept, &port),
  };
  const tinyops_app_board board = {
      .port = &port,
      .name = FIRMWARE_BOARD,
      .contract = contract,
      .slot = tinyops_model_slot,
      .slot_bytes = MODEL_SLOT_BYTES,
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
