/* A virtual board's flash: one or several ranges, each with rules of its own, their content in one
 * file. What lies in the guest's memory is there what the file holds: code runs in place. */
#ifndef TINYOPS_TWIN_QEMU_FLASH_H
#define TINYOPS_TWIN_QEMU_FLASH_H

#include <stdint.h>

#include "flash_model.h"

enum { FLASH_REGIONS_MAX = 16, FLASH_KEPT = 1 << 20, FLASH_ERASES = 1 };

typedef struct {
  tinyops_flash_model model;
  int in_memory; /* else the guest reads it by calls alone */
} flash_region;

typedef struct {
  flash_region regions[FLASH_REGIONS_MAX];
  uint32_t count;    /* 0: the board has none */
  uint32_t cut_at;   /* power fails within the operation of this number, of all regions; 0: never */
  uint32_t cut_then; /* and again within the operation so many behind that one; 0: no more */
  uint32_t places[FLASH_KEPT]; /* of the last operations, by number: address | FLASH_ERASES */
} flash_board;

/* Opens FILE for ranges ORIGIN:BYTES:ERASE:PROGRAM:PROGRAMS:IN_MEMORY, with `+` between them, which
 * lie in the file one after another. Returns 0, or -1 when that cannot be. */
int flash_open(flash_board *flash, const char *file, const char *ranges, uint32_t seed);

/* Power comes back, or for the first time: what lies in memory is written there. */
void flash_power_on(flash_board *flash);

/* The range in the guest's memory that an address lies in; null: none does. */
flash_region *flash_in_memory(flash_board *flash, uint32_t address);

/* The calls of tinyops_port_flash, which show in memory at once. Return a tinyops_flash_status; a
 * broken rule ends QEMU. */
int32_t flash_erase(flash_board *flash, uint32_t address, uint32_t bytes);
int32_t flash_program(flash_board *flash, uint32_t address, const uint8_t *bytes, uint32_t count);
int32_t flash_read(flash_board *flash, uint32_t address, uint8_t *bytes, uint32_t count);

/* What is read at `address`, in memory, lost power while it was written: the next read gives
 * something else. */
void flash_stir(flash_region *region, uint32_t address);

uint32_t flash_operations(const flash_board *flash);
int flash_is_off(const flash_board *flash);
int flash_is_unstable(const flash_board *flash);

#endif
