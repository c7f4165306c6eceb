/* Execute in place: the RP2040's SSI and a W25Q flash, set up so that flash reads as memory.
 *
 * Facts: RP2040 datasheet 2.8.1.3.1 (second stage) and 4.10 (SSI); Winbond W25Q16JV
 * datasheet 8.2.10 (Fast Read Quad I/O, continuous read mode), Read Unique ID Number (4Bh). The
 * clock of the flash is a fourth of the core's. */
#ifndef TINYOPS_PORT_XIP_H
#define TINYOPS_PORT_XIP_H

#include <stdint.h>

#define XIP_SSI(offset) (*(volatile uint32_t *)(0x18000000u + (offset)))

enum {
  SSI_CTRLR0 = 0x00,
  SSI_CTRLR1 = 0x04,
  SSI_ENABLE = 0x08,
  SSI_BAUD = 0x14,
  SSI_STATUS = 0x28,
  SSI_DATA = 0x60,
  SSI_RX_DELAY = 0xf0,
  SSI_SPI_CTRLR0 = 0xf4,

  FLASH_READ = 0x03,
  FLASH_READ_STATUS_2 = 0x35,
  FLASH_READ_NUMBER = 0x4b, /* then four bytes of nothing, then eight of the number */
  FLASH_NUMBER_WAIT = 4,
  FLASH_NUMBER_BYTES = 8,
  FLASH_READ_QUAD_IO = 0xeb,
  FLASH_CONTINUOUS = 0xa0, /* mode bits: the next read has no instruction */
  FLASH_QUAD_ENABLED = 2   /* of status register 2; set in the factory on the Pico's part */
};

#define SSI_BUSY 1u
#define SSI_TX_EMPTY 4u
#define SSI_QUAD_FRAMES (2u << 21)
#define SSI_FRAME_BITS(bits) (((bits)-1u) << 16)
#define SSI_TX_AND_RX 0u
#define SSI_READ_ONLY (3u << 8) /* "EEPROM read": sends, then receives */
#define SPI_COMMAND(byte) ((uint32_t)(byte) << 24)
#define SPI_WAIT(clocks) ((uint32_t)(clocks) << 11)
#define SPI_INSTRUCTION_8 (2u << 8)
#define SPI_ADDRESS(bits) ((uint32_t)(bits) / 4u << 2)
#define SPI_ADDRESS_IN_FRAMES 1u /* instruction on one line, address on four */
#define SPI_ALL_IN_FRAMES 2u     /* no instruction, address on four */

/* Inlined everywhere: runs in boot2 and in RAM, when flash cannot be read. */
#define XIP_INLINE static inline __attribute__((always_inline))

XIP_INLINE void xip_wait(void) {
  while ((XIP_SSI(SSI_STATUS) & SSI_TX_EMPTY) == 0 || (XIP_SSI(SSI_STATUS) & SSI_BUSY) != 0) {
  }
}

XIP_INLINE uint32_t xip_read_status_2(void) {
  XIP_SSI(SSI_CTRLR0) = SSI_FRAME_BITS(8) | SSI_TX_AND_RX;
  XIP_SSI(SSI_ENABLE) = 1;
  XIP_SSI(SSI_DATA) = FLASH_READ_STATUS_2;
  XIP_SSI(SSI_DATA) = 0;
  xip_wait();
  (void)XIP_SSI(SSI_DATA);
  const uint32_t status = XIP_SSI(SSI_DATA);
  XIP_SSI(SSI_ENABLE) = 0;
  return status;
}

/* The number that the flash's maker gave it. The flash takes instructions when it is called. All
 * that is sent fits the SSI's FIFO and comes faster than it is sent: the select line stays low. */
XIP_INLINE void xip_read_number(volatile uint8_t *number) {
  XIP_SSI(SSI_ENABLE) = 0;
  XIP_SSI(SSI_BAUD) = 4;
  XIP_SSI(SSI_CTRLR0) = SSI_FRAME_BITS(8) | SSI_TX_AND_RX;
  XIP_SSI(SSI_CTRLR1) = 0;
  XIP_SSI(SSI_ENABLE) = 1;
  XIP_SSI(SSI_DATA) = FLASH_READ_NUMBER;
  for (uint32_t i = 0; i < FLASH_NUMBER_WAIT + FLASH_NUMBER_BYTES; i++) {
    XIP_SSI(SSI_DATA) = 0;
  }
  xip_wait();
  for (uint32_t i = 0; i < 1 + FLASH_NUMBER_WAIT; i++) {
    (void)XIP_SSI(SSI_DATA);
  }
  for (uint32_t i = 0; i < FLASH_NUMBER_BYTES; i++) {
    number[i] = (uint8_t)XIP_SSI(SSI_DATA);
  }
  XIP_SSI(SSI_ENABLE) = 0;
}

/* One read with an instruction, which asks for reads without one; then those. */
XIP_INLINE void xip_enter_quad(void) {
  XIP_SSI(SSI_CTRLR0) = SSI_QUAD_FRAMES | SSI_FRAME_BITS(32) | SSI_READ_ONLY;
  XIP_SSI(SSI_SPI_CTRLR0) =
      SPI_ADDRESS(32) | SPI_WAIT(4) | SPI_INSTRUCTION_8 | SPI_ADDRESS_IN_FRAMES;
  XIP_SSI(SSI_ENABLE) = 1;
  XIP_SSI(SSI_DATA) = FLASH_READ_QUAD_IO;
  XIP_SSI(SSI_DATA) = FLASH_CONTINUOUS; /* address 0 and the mode bits */
  xip_wait();
  XIP_SSI(SSI_ENABLE) = 0;
  XIP_SSI(SSI_SPI_CTRLR0) =
      SPI_COMMAND(FLASH_CONTINUOUS) | SPI_ADDRESS(32) | SPI_WAIT(4) | SPI_ALL_IN_FRAMES;
}

XIP_INLINE void xip_enter_serial(void) {
  XIP_SSI(SSI_CTRLR0) = SSI_FRAME_BITS(32) | SSI_READ_ONLY;
  XIP_SSI(SSI_SPI_CTRLR0) = SPI_COMMAND(FLASH_READ) | SPI_ADDRESS(24) | SPI_INSTRUCTION_8;
}

/* Makes flash readable as memory. The flash takes instructions when it is called: the boot ROM
 * left it so. The flash's own status registers are read and never written: without quad lines it is
 * read serially. */
XIP_INLINE void xip_open(void) {
  XIP_SSI(SSI_ENABLE) = 0;
  XIP_SSI(SSI_BAUD) = 4;
  XIP_SSI(SSI_RX_DELAY) = 1; /* the data come back a core clock later */
  XIP_SSI(SSI_CTRLR1) = 0;
  if ((xip_read_status_2() & FLASH_QUAD_ENABLED) != 0) {
    xip_enter_quad();
  } else {
    xip_enter_serial();
  }
  XIP_SSI(SSI_ENABLE) = 1;
}

#endif
