/* What hangs on the pins of pico; rendered by `tinyops render` from the board's file. */
#ifndef TINYOPS_PINS_H
#define TINYOPS_PINS_H

/* LED: GP25, the LED beside the USB socket. */
#define BOARD_LED_PIN 25u

/* SUPPLY: GP29, VSYS, divided by three. */
#define BOARD_SUPPLY_PIN 29u

#endif
