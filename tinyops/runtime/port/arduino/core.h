/* The core's own headers, whose warnings are not ours. */
#ifndef TINYOPS_ARDUINO_CORE_H
#define TINYOPS_ARDUINO_CORE_H

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
#pragma GCC diagnostic ignored "-Wpedantic"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include <Arduino.h>
#pragma GCC diagnostic pop

#endif
