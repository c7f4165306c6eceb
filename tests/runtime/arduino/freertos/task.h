/* See FreeRTOS.h. */
#ifndef THIN_FREERTOS_TASK_H
#define THIN_FREERTOS_TASK_H

#include "FreeRTOS.h"

typedef void (*TaskFunction_t)(void *);
typedef struct tskTaskControlBlock *TaskHandle_t;

BaseType_t xTaskCreate(TaskFunction_t task, const char *name, uint32_t stack, void *given,
                       UBaseType_t priority, TaskHandle_t *made);
void vTaskDelay(TickType_t ticks);

#endif
