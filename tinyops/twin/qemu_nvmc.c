#include "qemu_nvmc.h"

#include <string.h>

#include "qemu_exports.h"
#include "qemu_guest.h"

enum { CONFIG = 0x504, ERASE_PAGE = 0x508, ERASE_ALL = 0x50c };
enum { READS = 0, WRITES = 1, ERASES = 2 };

void nvmc_reset(nvmc *controller) { controller->state = READS; }

int32_t nvmc_write(nvmc *controller, flash_board *flash, uint32_t offset, uint32_t value) {
  if (offset == CONFIG) {
    controller->state = value;
  } else if (offset == ERASE_PAGE) {
    if (controller->state != ERASES) {
      guest_stop("flash", value, "was to be erased while the controller does not allow it");
    }
    return flash_erase(flash, value, flash->regions[0].model.facts.erase_bytes);
  } else if (offset == ERASE_ALL) {
    guest_stop("flash", value, "was to be erased with all the rest, the program too");
  }
  return TINYOPS_FLASH_OK;
}

void nvmc_check_write(const nvmc *controller, uint32_t address) {
  if (controller->state != WRITES) {
    guest_stop("flash", address, "was written while the controller does not allow it");
  }
}

static uint32_t core_register(int number) {
  static byte_array *found;
  uint32_t value = 0;
  found = found == NULL ? g_byte_array_new() : found;
  g_byte_array_set_size(found, 0);
  if (arm_cpu_gdb_read_register(qemu_get_cpu(0), found, number) == 4) {
    memcpy(&value, found->data, sizeof(value));
  }
  return value;
}

uint32_t nvmc_stored(uint32_t code, uint32_t address) {
  if ((code & 0xf800u) == 0x9000u) { /* relative to the stack pointer */
    return core_register((int)(code >> 8 & 7u));
  }
  if ((code & 0xf800u) != 0x6000u && (code & 0xfe00u) != 0x5000u) {
    guest_stop("register", address, "is written by an instruction that this twin does not follow");
  }
  return core_register((int)(code & 7u));
}
