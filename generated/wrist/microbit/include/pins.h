/* Pins of the serial line on microbit; rendered by `tinyops render` from the board's file. */
#ifndef TINYOPS_PINS_H
#define TINYOPS_PINS_H

/* TX: P0.24, USB interface chip. */
#define BOARD_TX_GPIO 0x50000000u
#define BOARD_TX_PIN 24u
#define BOARD_TX_SELECT 24u

/* RX: P0.25, USB interface chip. */
#define BOARD_RX_GPIO 0x50000000u
#define BOARD_RX_PIN 25u
#define BOARD_RX_SELECT 25u

#endif
