/* The call table; see tinyops/boot.h. In a bootloader it lies at the end of its region, where the
 * firmware's linker script expects it. */
#include "tinyops/boot.h"
#include "tinyops/ed25519.h"
#if defined(TINYOPS_BOOT_SETTINGS)
#include "tinyops/settings.h"
#endif

#if defined(TINYOPS_BOOTLOADER)
#define PLACE __attribute__((section(".boot_table"), used))
#else
#define PLACE
#endif

extern const tinyops_boot_table tinyops_boot_own;

PLACE const tinyops_boot_table tinyops_boot_own = {
    .magic = TINYOPS_BOOT_MAGIC,
    .version = TINYOPS_BOOT_VERSION,
    .bytes = sizeof(tinyops_boot_table),
    .sha256_of = tinyops_sha256_of,
    .ed25519_verify = tinyops_ed25519_verify,
    .open = tinyops_slots_open,
    .boot = tinyops_slots_boot,
    .running = tinyops_slots_running,
    .begin = tinyops_slots_begin,
    .write = tinyops_slots_write,
    .finish = tinyops_slots_finish,
    .erase = tinyops_slots_erase,
    .test = tinyops_slots_test,
    .start = tinyops_slots_start,
    .confirm = tinyops_slots_confirm,
    .revert = tinyops_slots_revert,
    .again = tinyops_slots_again,
    .describe = tinyops_slots_describe,
#if defined(TINYOPS_BOOT_SETTINGS)
    .settings_open = tinyops_settings_open,
    .settings_get = tinyops_settings_get,
    .settings_take_piece = tinyops_settings_take_piece,
    .settings_give_piece = tinyops_settings_give_piece,
#endif
};

/* Where pointers are larger, as on a host, the table lies in no bootloader's region. */
typedef char table_has_room
    [sizeof(void *) > 4 || sizeof(tinyops_boot_table) <= TINYOPS_BOOT_TABLE_BYTES ? 1 : -1];
