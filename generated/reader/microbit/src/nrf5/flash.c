/* The flash controller (NVMC), whose registers nRF51822 and nRF52840 have at the same place.
 *
 * Facts: nRF51 Series Reference Manual 6 and nRF52840 product specification 4.3: a word is written
 * once between two erases; the core is halted while the controller works. Geometry: FICR. */
#include "flash.h"

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define NVMC_READY REGISTER(0x4001e400u)
#define NVMC_CONFIG REGISTER(0x4001e504u)
#define NVMC_ERASE_PAGE REGISTER(0x4001e508u)
#define FICR_PAGE_BYTES REGISTER(0x10000010u)
#define FICR_PAGES REGISTER(0x10000014u)

enum { READS = 0, WRITES = 1, ERASES = 2, WORD = 4 };

#if __ARM_ARCH >= 7
enum { PAGE = 4096 };
#else
enum { PAGE = 1024 };
#endif

static void allow(uint32_t what) {
  NVMC_CONFIG = what;
  while (NVMC_READY == 0) {
  }
}

static int32_t is_outside(uint32_t address, uint32_t bytes, uint32_t unit) {
  const uint32_t end = FICR_PAGE_BYTES * FICR_PAGES;
  return ((address | bytes) & (unit - 1u)) != 0 || address > end || bytes > end - address;
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  if (is_outside(address, bytes, PAGE)) {
    return -1;
  }
  allow(ERASES);
  for (uint32_t at = address; at < address + bytes; at += PAGE) {
    NVMC_ERASE_PAGE = at;
    while (NVMC_READY == 0) {
    }
  }
  allow(READS);
  return 0;
}

static uint32_t word_of(const uint8_t *bytes) {
  return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count, WORD)) {
    return -1;
  }
  allow(WRITES);
  for (uint32_t at = 0; at < count; at += WORD) {
    REGISTER(address + at) = word_of(bytes + at);
    while (NVMC_READY == 0) {
    }
  }
  allow(READS);
  return 0;
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  if (is_outside(address, count, 1)) {
    return -1;
  }
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = *(const volatile uint8_t *)(uintptr_t)(address + i);
  }
  return 0;
}

const tinyops_port_flash *nrf5_flash(void) {
  static const tinyops_port_flash flash = {
      .erase_bytes = PAGE,
      .program_bytes = WORD,
      .erase = erase,
      .program = program,
      .read = read,
  };
  return &flash;
}
