/* The two-wire interface TWI0 of an nRF51 or nRF52, as the only master of its bus. */
#ifndef TINYOPS_PORT_NRF5_TWI_H
#define TINYOPS_PORT_NRF5_TWI_H

#include <stdint.h>

enum { NRF5_TWI_SILENT = -1 /* nobody answers, or the bus hangs */ };

/* Sets up pins and interface; frees a chip that a reset left amid an answer. */
void nrf5_twi_open(void);

/* Writes one register of the chip at `address` (7 bits). Returns 0 or NRF5_TWI_SILENT. A transfer
 * takes 25 microseconds a byte; the core waits. */
int32_t nrf5_twi_put(uint8_t address, uint8_t at, uint8_t value);

/* Reads `count` registers, 1 or more, from `at` on. Returns as nrf5_twi_put. */
int32_t nrf5_twi_get(uint8_t address, uint8_t at, uint8_t *bytes, uint32_t count);

#endif
