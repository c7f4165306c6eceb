/* What hangs on the pins of nano33ble; rendered by `tinyops render` from the board's file. */
#ifndef TINYOPS_PINS_H
#define TINYOPS_PINS_H

/* TX: P1.03, D1/TX. */
#define BOARD_TX_PIN 3u
#define BOARD_TX_GPIO 0x50000300u
#define BOARD_TX_SELECT 35u

/* RX: P1.10, D0/RX. */
#define BOARD_RX_PIN 10u
#define BOARD_RX_GPIO 0x50000300u
#define BOARD_RX_SELECT 42u

/* LED: P0.13, D13, the LED beside the USB socket. */
#define BOARD_LED_PIN 13u
#define BOARD_LED_GPIO 0x50000000u
#define BOARD_LED_SELECT 13u

/* UPSTREAM_TX: P1.11, D2. */
#define BOARD_UPSTREAM_TX_PIN 11u
#define BOARD_UPSTREAM_TX_GPIO 0x50000300u
#define BOARD_UPSTREAM_TX_SELECT 43u

/* UPSTREAM_RX: P1.12, D3. */
#define BOARD_UPSTREAM_RX_PIN 12u
#define BOARD_UPSTREAM_RX_GPIO 0x50000300u
#define BOARD_UPSTREAM_RX_SELECT 44u

#endif
