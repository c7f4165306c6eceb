/* STM32H743: settings, log and one model lie in its second bank, the other model behind the program
 * in the first, which stands still while that is written. A unit is 32 bytes with their error
 * correction. Other families have other units, and no settings yet. */
#if defined(ARDUINO_ARCH_STM32)

#include "core.h"
#include "hardware.h"

#if defined(STM32H7xx)
#include <string.h>

static const uint32_t FIRST_BANK = 0x08000000, SECOND_BANK = 0x08100000, END = 0x08200000;
static const uint32_t PROGRAM_END = 0x08040000; /* layout.firmware */
static const uint32_t SECTOR = 131072, UNIT = 32;

static int32_t is_outside(uint32_t address, uint32_t bytes, uint32_t unit) {
  return address < PROGRAM_END || address > END || bytes > END - address || address % unit != 0 ||
         bytes % unit != 0;
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  if (is_outside(address, bytes, SECTOR) != 0 || HAL_FLASH_Unlock() != HAL_OK) {
    return -1;
  }
  FLASH_EraseInitTypeDef wanted = FLASH_EraseInitTypeDef();
  wanted.TypeErase = FLASH_TYPEERASE_SECTORS;
  const bool is_second = address >= SECOND_BANK; /* no call goes over both: regions do not */
  wanted.Banks = is_second ? FLASH_BANK_2 : FLASH_BANK_1;
  wanted.Sector = (address - (is_second ? SECOND_BANK : FIRST_BANK)) / SECTOR;
  wanted.NbSectors = bytes / SECTOR;
  wanted.VoltageRange = FLASH_VOLTAGE_RANGE_3;
  uint32_t failed = 0;
  const HAL_StatusTypeDef status = HAL_FLASHEx_Erase(&wanted, &failed);
  (void)HAL_FLASH_Lock();
  SCB_CleanInvalidateDCache();
  return status == HAL_OK ? 0 : -1;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count, UNIT) != 0 || HAL_FLASH_Unlock() != HAL_OK) {
    return -1;
  }
  HAL_StatusTypeDef status = HAL_OK;
  for (uint32_t at = 0; status == HAL_OK && at < count; at += UNIT) {
    uint32_t unit[8];
    memcpy(unit, bytes + at, sizeof(unit));
    status = HAL_FLASH_Program(FLASH_TYPEPROGRAM_FLASHWORD, address + at, (uint32_t)unit);
  }
  (void)HAL_FLASH_Lock();
  SCB_CleanInvalidateDCache();
  return status == HAL_OK ? 0 : -1;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  memcpy(bytes, (const void *)address, count);
  return 0;
}

const tinyops_port_flash *tinyops_arduino_flash(void) {
  static const tinyops_port_flash flash = {SECTOR, UNIT, erase, program, read};
  return &flash;
}
#else
const tinyops_port_flash *tinyops_arduino_flash(void) { return nullptr; }
#endif

#endif
