/* How a board fares, and its last hard fault: what the application counts, and what it keeps over a
 * reset in the port's `keep`. */
#ifndef TINYOPS_HEALTH_H
#define TINYOPS_HEALTH_H

#include <stdint.h>

#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_HEALTH_CLASSES_MAX 16
#define TINYOPS_CRASH_MAGIC 0x31435254 /* "TRC1"; no enumerator: an int of AVR has 16 bits */

/* Since start-up unless it says otherwise. Up to `confidence_steps` these are the numbers of HEALTH
 * in smp_group.h, in that order. */
typedef struct {
  uint32_t uptime_ms;       /* 0 without a clock */
  uint32_t reset_cause;     /* a tinyops_reset_cause */
  uint32_t watchdog_resets; /* since power-on, where the port keeps RAM */
  uint32_t faults;          /* since power-on, where the port keeps RAM */
  uint32_t inferences;
  int32_t sensor;         /* 1: samples, 0: none, frames come over the line; negative: has failed */
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

/* A hard fault, or where a watchdog that warns found the program, as the port's fault handler saw
 * it. Registers that a core lacks are 0; all are 0 after an overflow of the stack. On RISC-V these
 * are mepc, ra, mcause, and mtval as mmfar. These are the numbers of CRASH in smp_group.h, in that
 * order. */
typedef struct {
  uint32_t pc, lr, psr;
  uint32_t cfsr, hfsr, mmfar, bfar; /* ARMv7-M and later */
  uint32_t image_crc;               /* CRC-32 of the model image that ran, 0: none */
  uint32_t uptime_ms;               /* 0 without a clock */
  uint32_t firmware_crc;            /* CRC-32 of the firmware's flash, 0: not known */
} tinyops_crash;

/* What lies in `keep`: valid when magic and CRC-32 (over what stands before it) are right. */
typedef struct {
  uint32_t magic; /* TINYOPS_CRASH_MAGIC */
  uint32_t watchdog_resets;
  uint32_t faults;
  uint32_t crashed; /* 1: `crash` holds a fault that nobody has cleared */
  uint32_t
      announced; /* a tinyops_reset_cause: the reset that the program was about to make, or 0 */
  uint32_t image_crc; /* of the model image that runs, 0: none */
  tinyops_crash crash;
  uint32_t crc;
} tinyops_kept;

/* The record in the port's `keep`, or null where there is no room for one. What is not valid
 * becomes a valid record of zeros. Whoever changes it calls tinyops_kept_seal. */
tinyops_kept *tinyops_kept_open(const tinyops_port *port);

/* Computes the record's CRC anew. */
void tinyops_kept_seal(tinyops_kept *kept);

/* Whether a valid record is there, without making one. */
int32_t tinyops_kept_is_valid(const tinyops_port *port);

/* To be called by start-up code, once, before any other function on the record: says why the board
 * started, from what was announced, or from what the hardware says, where that is a watchdog or
 * nothing was announced; and counts resets by watchdog. Returns the cause. */
tinyops_reset_cause tinyops_kept_start(const tinyops_port *port);

/* Says that a reset for this cause follows. */
void tinyops_kept_announce(const tinyops_port *port, tinyops_reset_cause cause);

/* For a fault handler: keeps the fault, whose registers, time and firmware_crc the caller has
 * filled in, counts it, and announces a reset for `cause`: TINYOPS_RESET_FAULT or _WATCHDOG. */
void tinyops_kept_fault(const tinyops_port *port, const tinyops_crash *crash,
                        tinyops_reset_cause cause);

/* The last fault, or null when there was none or it was cleared. */
const tinyops_crash *tinyops_kept_last(const tinyops_port *port);

/* Forgets the last fault, not how many there were. */
void tinyops_kept_clear(const tinyops_port *port);

#ifdef __cplusplus
}
#endif

#endif
