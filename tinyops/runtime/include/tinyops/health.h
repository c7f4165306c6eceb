/* How a board fares, and its last hard fault: what the application counts, and what it keeps over a
 * reset in the port's `keep`. */
#ifndef TINYOPS_HEALTH_H
#define TINYOPS_HEALTH_H

#include <stdint.h>

#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TINYOPS_HEALTH_CLASSES_MAX = 16, TINYOPS_CRASH_MAGIC = 0x31435254 /* "TRC1" */ };

/* Since start-up unless it says otherwise. */
typedef struct {
  uint32_t uptime_ms; /* 0 without a clock */
  tinyops_reset_cause reset_cause;
  uint32_t watchdog_resets; /* since power-on, where the port keeps RAM */
  uint32_t faults;          /* since power-on, where the port keeps RAM */
  uint32_t inferences;
  uint32_t missed_frames; /* the sensor's, lost because nobody took them */
  uint32_t stack_used;    /* bytes, deepest */
  uint32_t stack_bytes;
  uint32_t arena_used; /* bytes that the model needs */
  uint32_t arena_bytes;
  uint32_t supply_mv;        /* 0 where it cannot be read */
  uint32_t confidence_steps; /* sum over inferences of the best output, in int8 steps above -128 */
  uint32_t classes; /* outputs of the model, at most TINYOPS_HEALTH_CLASSES_MAX are counted */
  uint32_t histogram[TINYOPS_HEALTH_CLASSES_MAX]; /* inferences by best output */
} tinyops_health;

/* A hard fault, as the port's fault handler found it. Registers that a core lacks are 0. */
typedef struct {
  uint32_t pc, lr, psr;
  uint32_t cfsr, hfsr, mmfar, bfar; /* ARMv7-M and later; RISC-V: mcause, 0, mtval, 0 */
  uint32_t image_crc;               /* CRC-32 of the model image that ran, 0: none */
  uint32_t uptime_ms;
} tinyops_crash;

/* What lies in `keep`: valid when magic and CRC-32 (over what stands before it) are right. */
typedef struct {
  uint32_t magic; /* TINYOPS_CRASH_MAGIC */
  uint32_t watchdog_resets;
  uint32_t faults;
  uint32_t crashed; /* 1: `crash` holds a fault that nobody has cleared */
  tinyops_crash crash;
  uint32_t crc;
} tinyops_kept;

#ifdef __cplusplus
}
#endif

#endif
