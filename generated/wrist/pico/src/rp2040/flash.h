/* Erasing and programming the flash that the program itself lies in: from RAM, by the boot ROM. */
#ifndef TINYOPS_PORT_RP2040_FLASH_H
#define TINYOPS_PORT_RP2040_FLASH_H

#include "tinyops/port.h"

enum {
  RP2040_FLASH_ORIGIN = 0x10000000,
  RP2040_FLASH_ERASE_BYTES = 4096,
  RP2040_FLASH_PROGRAM_BYTES = 256,
  RP2040_FLASH_NUMBER_BYTES = 8
};

/* The whole of flash, at the addresses where it is read. */
const tinyops_port_flash *rp2040_flash(void);

/* Leaves the program for the boot ROM's loader: the board shows itself as a drive on USB. Returns
 * when the boot ROM lacks it. */
void rp2040_usb_loader(void);

/* Sets `bytes` of flash from `offset` (from the start of flash) to 0xff; both are multiples of
 * RP2040_FLASH_ERASE_BYTES. Returns 0, or -1 when the boot ROM lacks its routines. */
int32_t rp2040_flash_erase(uint32_t offset, uint32_t bytes);

/* Programs `bytes` of flash at `offset`; both are multiples of RP2040_FLASH_PROGRAM_BYTES, and
 * `data` lies in RAM. Returns 0, or -1 when the boot ROM lacks its routines. */
int32_t rp2040_flash_program(uint32_t offset, const uint8_t *data, uint32_t bytes);

/* Copies the number that the flash's maker gave it, and no other, to `number`, which lies in RAM
 * and has room for RP2040_FLASH_NUMBER_BYTES. The chip itself has none. Returns 0, or -1 when the
 * boot ROM lacks its routines. */
int32_t rp2040_flash_read_number(uint8_t *number);

#endif
