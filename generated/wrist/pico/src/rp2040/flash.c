/* While flash is erased or programmed it cannot be read: nothing of the program may run from it.
 *
 * Facts: RP2040 datasheet 2.8.3 (the boot ROM's table of functions and its flash routines).
 * Interrupts are masked for good (see startup.c), the second core sleeps in the boot ROM, and
 * nothing here uses DMA: only the functions in RAM could touch flash. */
#include "flash.h"

#include "xip.h"

#define IN_RAM __attribute__((section(".ramcode"), noinline))

#define ROM_CODE(a, b) ((uint32_t)(a) | (uint32_t)(b) << 8)
#define ROM_FUNCTIONS 0x14u
#define ROM_LOOKUP 0x18u

enum { BLOCK_BYTES = 65536, BLOCK_ERASE = 0xd8 };

typedef void (*rom_plain)(void);
typedef void (*rom_erase)(uint32_t offset, uint32_t bytes, uint32_t block, uint8_t command);
typedef void (*rom_program)(uint32_t offset, const uint8_t *data, uint32_t bytes);
typedef void (*rom_reset_to_usb)(uint32_t activity_pins, uint32_t without);
typedef uintptr_t (*rom_lookup)(const uint16_t *table, uint32_t code);

typedef struct {
  rom_plain connect, exit_xip, flush;
  rom_erase erase;
  rom_program program;
} rom_routines;

/* A pointer of 16 bits in the boot ROM. */
static uintptr_t rom_pointer(uintptr_t address) {
  __asm("" : "+r"(address)); /* to the compiler an object this close to 0 cannot be */
  return *(const volatile uint16_t *)address;
}

static uintptr_t find(uint32_t code) {
  const rom_lookup lookup = (rom_lookup)rom_pointer(ROM_LOOKUP);
  return lookup((const uint16_t *)rom_pointer(ROM_FUNCTIONS), code);
}

/* Returns 0 when all are there. */
static int32_t find_routines(rom_routines *rom) {
  rom->connect = (rom_plain)find(ROM_CODE('I', 'F'));
  rom->exit_xip = (rom_plain)find(ROM_CODE('E', 'X'));
  rom->flush = (rom_plain)find(ROM_CODE('F', 'C'));
  rom->erase = (rom_erase)find(ROM_CODE('R', 'E'));
  rom->program = (rom_program)find(ROM_CODE('R', 'P'));
  const int32_t all = rom->connect != 0 && rom->exit_xip != 0 && rom->flush != 0 &&
                      rom->erase != 0 && rom->program != 0;
  return all ? 0 : -1;
}

IN_RAM static void erase_from_ram(const rom_routines *rom, uint32_t offset, uint32_t bytes) {
  rom->connect();
  rom->exit_xip();
  rom->erase(offset, bytes, BLOCK_BYTES, BLOCK_ERASE);
  rom->flush(); /* also gives the flash's select line back to the SSI */
  xip_open();
}

IN_RAM static void program_from_ram(const rom_routines *rom, uint32_t offset, const uint8_t *data,
                                    uint32_t bytes) {
  rom->connect();
  rom->exit_xip();
  rom->program(offset, data, bytes);
  rom->flush();
  xip_open();
}

IN_RAM static void read_number_from_ram(const rom_routines *rom, uint8_t *number) {
  rom->connect();
  rom->exit_xip();
  rom->flush();
  xip_read_number(number);
  xip_open();
}

int32_t rp2040_flash_erase(uint32_t offset, uint32_t bytes) {
  rom_routines rom;
  if (find_routines(&rom) != 0) {
    return -1;
  }
  erase_from_ram(&rom, offset, bytes);
  return 0;
}

int32_t rp2040_flash_program(uint32_t offset, const uint8_t *data, uint32_t bytes) {
  rom_routines rom;
  if (find_routines(&rom) != 0) {
    return -1;
  }
  program_from_ram(&rom, offset, data, bytes);
  return 0;
}

int32_t rp2040_flash_read_number(uint8_t *number) {
  rom_routines rom;
  if (find_routines(&rom) != 0) {
    return -1;
  }
  read_number_from_ram(&rom, number);
  return 0;
}

void rp2040_usb_loader(void) {
  const rom_reset_to_usb leave = (rom_reset_to_usb)find(ROM_CODE('U', 'B'));
  if (leave != 0) {
    leave(0, 0);
  }
}

static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  return rp2040_flash_erase(address - RP2040_FLASH_ORIGIN, bytes);
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  return rp2040_flash_program(address - RP2040_FLASH_ORIGIN, bytes, count);
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  for (uint32_t i = 0; i < count; i++) {
    bytes[i] = ((const uint8_t *)address)[i];
  }
  return 0;
}

const tinyops_port_flash *rp2040_flash(void) {
  static const tinyops_port_flash flash = {
      .erase_bytes = RP2040_FLASH_ERASE_BYTES,
      .program_bytes = RP2040_FLASH_PROGRAM_BYTES,
      .erase = erase,
      .program = program,
      .read = read,
  };
  return &flash;
}
