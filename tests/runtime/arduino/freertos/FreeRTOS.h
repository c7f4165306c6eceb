/* What tinyops uses of FreeRTOS as the ESP32 core has it, declared and no more. */
#ifndef THIN_FREERTOS_H
#define THIN_FREERTOS_H

#include <stdint.h>

typedef int BaseType_t;
typedef unsigned int UBaseType_t;
typedef uint32_t TickType_t;

#define pdTRUE ((BaseType_t)1)
#define pdPASS ((BaseType_t)1)
#define portMAX_DELAY ((TickType_t)0xffffffffu)
#define pdMS_TO_TICKS(milliseconds) ((TickType_t)(milliseconds))

#endif
