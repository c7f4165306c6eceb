/* The flash controller of an nRF5 (NVMC), whose registers are watched: QEMU models them, and lets
 * anything be programmed any number of times.
 *
 * Facts: nRF51 Series Reference Manual, 6. */
#ifndef TINYOPS_TWIN_QEMU_NVMC_H
#define TINYOPS_TWIN_QEMU_NVMC_H

#include <stdint.h>

#include "qemu_flash.h"

enum { NVMC_BYTES = 0x1000 };

typedef struct {
  uint64_t at; /* of its registers; 0: there is none */
  uint32_t state;
} nvmc;

void nvmc_reset(nvmc *controller);

/* The core wrote a register, `offset` bytes from the first. Returns a tinyops_flash_status; a
 * broken rule ends QEMU. */
int32_t nvmc_write(nvmc *controller, flash_board *flash, uint32_t offset, uint32_t value);

/* Ends QEMU unless flash may be written now. */
void nvmc_check_write(const nvmc *controller, uint32_t address);

/* The value that a Thumb instruction of an M0 has just stored. */
uint32_t nvmc_stored(uint32_t code, uint32_t address);

#endif
