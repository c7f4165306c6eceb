/* Settings as an application has them whose bootloader has the functions: on boards where flash is
 * scarce, in place of settings.c. */
#include "tinyops/boot.h"
#include "tinyops/settings.h"

static const struct tinyops_boot_table *table(void) {
  extern const struct tinyops_boot_table tinyops_boot_table; /* by the linker script */
  return &tinyops_boot_table;
}

int32_t tinyops_settings_open(tinyops_settings *settings) {
  return table()->settings_open(settings);
}

int32_t tinyops_settings_get(tinyops_settings *settings, uint8_t tag, uint8_t *value,
                             uint32_t room) {
  return table()->settings_get(settings, tag, value, room);
}

int32_t tinyops_settings_take_piece(tinyops_settings *settings, uint32_t offset, uint32_t length,
                                    const uint8_t *bytes, uint32_t count) {
  return table()->settings_take_piece(settings, offset, length, bytes, count);
}

int32_t tinyops_settings_give_piece(tinyops_settings *settings, uint32_t offset, uint8_t *bytes,
                                    uint32_t room, uint32_t *length) {
  return table()->settings_give_piece(settings, offset, bytes, room, length);
}
