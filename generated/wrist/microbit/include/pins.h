/* What hangs on the pins of microbit; rendered by `tinyops render` from the board's file. */
#ifndef TINYOPS_PINS_H
#define TINYOPS_PINS_H

/* TX: P0.24, USB interface chip. */
#define BOARD_TX_PIN 24u
#define BOARD_TX_GPIO 0x50000000u
#define BOARD_TX_SELECT 24u

/* RX: P0.25, USB interface chip. */
#define BOARD_RX_PIN 25u
#define BOARD_RX_GPIO 0x50000000u
#define BOARD_RX_SELECT 25u

/* LED: P0.13, row 1 of the LED matrix. */
#define BOARD_LED_PIN 13u
#define BOARD_LED_GPIO 0x50000000u
#define BOARD_LED_SELECT 13u

/* LED_SINK: P0.04, column 1 of the LED matrix, lit while low. */
#define BOARD_LED_SINK_PIN 4u
#define BOARD_LED_SINK_GPIO 0x50000000u
#define BOARD_LED_SINK_SELECT 4u

/* SCL: P0.00, of the bus with both motion sensors. */
#define BOARD_SCL_PIN 0u
#define BOARD_SCL_GPIO 0x50000000u
#define BOARD_SCL_SELECT 0u

/* SDA: P0.30, of that bus. */
#define BOARD_SDA_PIN 30u
#define BOARD_SDA_GPIO 0x50000000u
#define BOARD_SDA_SELECT 30u

#endif
