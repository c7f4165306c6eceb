/* The two-wire interface of an nRF5 as its registers show it, with one chip on the bus or none. A
 * transfer takes no time. Facts: nRF51 Series Reference Manual 3.0, 27. */
#ifndef TINYOPS_PORT_SIM_TWI_MODEL_H
#define TINYOPS_PORT_SIM_TWI_MODEL_H

#include <stdint.h>

#include "accelerometer_model.h"

enum { TWI_MODEL_BYTES = 0x1000 };

typedef struct {
  accelerometer_model *chip; /* null: nobody answers */
  uint32_t registers[TWI_MODEL_BYTES / 4];
  int sends, receives; /* a transfer is under way */
  int first;           /* no byte of it has been sent */
  int suspended;
} twi_model;

/* After a reset; the chip has none. */
void twi_model_open(twi_model *self, accelerometer_model *chip);

/* The core's accesses, `offset` bytes from the first register. */
uint32_t twi_model_read(twi_model *self, uint64_t now_us, uint32_t offset);
void twi_model_write(twi_model *self, uint64_t now_us, uint32_t offset, uint32_t value);

#endif
