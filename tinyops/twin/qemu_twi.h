/* The two-wire interface of an nRF5 with an accelerometer on its bus, in the place of QEMU's own,
 * which answers everybody the same. */
#ifndef TINYOPS_TWIN_QEMU_TWI_H
#define TINYOPS_TWIN_QEMU_TWI_H

#include "qemu_exports.h"
#include "twi_model.h"

typedef struct {
  twi_model model;
  accelerometer_model chip;
  region registers;
} qemu_twi;

/* Puts it at an address of QEMU's micro:bit, once there is one. The chip is of that name, and
 * measures `source`; null: nobody is on the bus. Returns 0, or -1 for an unknown name. */
int qemu_twi_open(qemu_twi *self, uint64_t address, const char *chip, replay *source);

/* A reset of the core's: the chip goes on, unless it lost its power. */
void qemu_twi_reset(qemu_twi *self, int lost_power);

#endif
