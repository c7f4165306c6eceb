/* Firmware of an emulated device with a network: the application, and the cycle that updates its
 * model. All memory is here. The figures in capitals come from whoever builds it. */
#include "board.h"
#include "device.h"
#include "places.h"
#include "startup.h"
#include "tinyops/manage.h"
#include "tinyops/settings_smp.h"

extern const uint8_t tinyops_flash_start[], tinyops_flash_end[]; /* by the linker script */
extern const tinyops_boot_table tinyops_boot_own;

int main(void) {
  static const uint8_t contract[32] = CONTRACT_SHA256;
  static uint8_t arena[ARENA_BYTES]
      __attribute__((section(".arena"), aligned(TINYOPS_ARENA_ALIGN)));
  static int16_t frame[FRAME_VALUES];
  static tinyops_app app;
  static tinyops_app_management management;
  static uint8_t message[SMP_MESSAGE_BYTES];
  static uint8_t unit[SETTINGS_UNIT_BYTES];
  static tinyops_smp_settings kept;
  static tinyops_settings settings = {
      .origin = SETTINGS_ORIGIN, .bytes = SETTINGS_BYTES, .unit = unit, .unit_bytes = sizeof(unit)};
  static const tinyops_app_places places = SLOT_PLACES;
  static uint8_t step[SLOTS_UNIT_BYTES] __attribute__((aligned(4)));
  static uint8_t keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES];
  static tinyops_slots slots = {
      .board = FIRMWARE_BOARD, .contract = contract, .unit = step, .unit_bytes = sizeof(step)};
  static tinyops_app_updates updates;
  static tinyops_network_board network;
  static uint8_t heap[TLS_HEAP_BYTES] __attribute__((aligned(8)));
  static tinyops_device device;

  tinyops_port port;
  tinyops_port_open(&port);
  const tinyops_smp_settings *served = tinyops_settings_attach(&settings, &kept, &port);
  tinyops_app_updates *replaced = tinyops_app_attach_updates(
      &updates, &slots, &places, &tinyops_boot_own, &port, &settings, keys);
  const tinyops_app_release release = {
      .fleet = FIRMWARE_FLEET,
      .version = FIRMWARE_VERSION,
      .flash = tinyops_flash_start,
      .flash_bytes = (uint32_t)((uintptr_t)tinyops_flash_end - (uintptr_t)tinyops_flash_start),
      .sha256_of = tinyops_boot_own.sha256_of,
      .settings = served,
      .image_calls = replaced != 0 ? &tinyops_app_update_calls : 0,
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
  const tinyops_device_config config = {
      .app = &app,
      .port = &port,
      .updates = replaced,
      .table = &tinyops_boot_own,
      .settings = &settings,
      .board = &network,
      .name = FIRMWARE_BOARD,
      .fleet = FIRMWARE_FLEET,
      .contract = contract,
      .built_s = BUILT_S,
      .memory_origin = MEMORY_ORIGIN,
      .memory_bytes = MEMORY_BYTES,
      .heap = heap,
      .heap_bytes = sizeof(heap),
      .interval_ms = INTERVAL_MS,
      .retry_ms = RETRY_MS,
      .trial_ms = TRIAL_MS,
  };

  (void)tinyops_app_init(&app, &board);
  mps2_network_board(&network);
  if (replaced != 0) {
    tinyops_device_open(&device, &config);
  }
  for (;;) {
    int32_t busy = tinyops_app_poll(&app);
    busy |= replaced != 0 ? tinyops_device_poll(&device) : 0;
    if (busy == 0) {
      mps2_network_sleep(&port);
    }
  }
}
