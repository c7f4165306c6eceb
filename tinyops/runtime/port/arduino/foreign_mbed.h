/* mbed's own headers, whose warnings are not ours. */
#ifndef TINYOPS_ARDUINO_FOREIGN_MBED_H
#define TINYOPS_ARDUINO_FOREIGN_MBED_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <drivers/FlashIAP.h>
#include <drivers/Watchdog.h>
#pragma GCC diagnostic pop

#endif
