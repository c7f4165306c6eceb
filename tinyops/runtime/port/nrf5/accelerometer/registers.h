/* Registers of the chip, for drivers that tests run on a host, where a model of them stands in. */
#ifndef TINYOPS_PORT_NRF5_REGISTERS_H
#define TINYOPS_PORT_NRF5_REGISTERS_H

#include <stdint.h>

#if defined(TINYOPS_REGISTERS_MODEL)
uint32_t nrf5_read(uint32_t address);
void nrf5_write(uint32_t address, uint32_t value);
#else
static inline uint32_t nrf5_read(uint32_t address) {
  return *(volatile uint32_t *)(uintptr_t)address;
}

static inline void nrf5_write(uint32_t address, uint32_t value) {
  *(volatile uint32_t *)(uintptr_t)address = value;
}
#endif

#endif
