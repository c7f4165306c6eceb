/* The record in RAM that a reset leaves alone: believed only when magic number and CRC are right,
 * for RAM holds noise after power-on, and another firmware's data after an update. */
#include "tinyops/app.h"

static uint32_t crc_of(const tinyops_kept *kept) {
  return tinyops_app_crc32((const uint8_t *)kept, sizeof(*kept) - sizeof(kept->crc));
}

static tinyops_kept *record_of(const tinyops_port *port) {
  return port->keep_bytes >= sizeof(tinyops_kept) ? (tinyops_kept *)port->keep : 0;
}

static int32_t is_valid(const tinyops_kept *kept) {
  return kept->magic == TINYOPS_CRASH_MAGIC && kept->crc == crc_of(kept);
}

void tinyops_kept_seal(tinyops_kept *kept) { kept->crc = crc_of(kept); }

int32_t tinyops_kept_is_valid(const tinyops_port *port) {
  const tinyops_kept *kept = record_of(port);
  return kept != 0 && is_valid(kept);
}

tinyops_kept *tinyops_kept_open(const tinyops_port *port) {
  tinyops_kept *kept = record_of(port);
  if (kept != 0 && !is_valid(kept)) {
    *kept = (tinyops_kept){.magic = TINYOPS_CRASH_MAGIC};
    tinyops_kept_seal(kept);
  }
  return kept;
}

/* A watchdog came after what was announced: another firmware was started, and hung before it read
 * the record. RAM without a record, and hardware that says nothing: the board was without power. */
static tinyops_reset_cause find_cause(const tinyops_port *port, uint32_t announced, int32_t valid) {
  if (announced != TINYOPS_RESET_UNKNOWN && port->reset_cause != TINYOPS_RESET_WATCHDOG) {
    return (tinyops_reset_cause)announced;
  }
  const int32_t silent = port->reset_cause == TINYOPS_RESET_UNKNOWN;
  return silent && !valid && port->keep != 0 ? TINYOPS_RESET_POWER : port->reset_cause;
}

tinyops_reset_cause tinyops_kept_start(const tinyops_port *port) {
  const int32_t valid = tinyops_kept_is_valid(port);
  tinyops_kept *kept = tinyops_kept_open(port);
  const tinyops_reset_cause cause = find_cause(port, kept != 0 ? kept->announced : 0, valid);
  if (kept != 0) {
    kept->watchdog_resets += cause == TINYOPS_RESET_WATCHDOG;
    kept->announced = TINYOPS_RESET_UNKNOWN;
    kept->image_crc = 0;
    tinyops_kept_seal(kept);
  }
  return cause;
}

void tinyops_kept_announce(const tinyops_port *port, tinyops_reset_cause cause) {
  tinyops_kept *kept = tinyops_kept_open(port);
  if (kept != 0) {
    kept->announced = cause;
    tinyops_kept_seal(kept);
  }
}

void tinyops_kept_fault(const tinyops_port *port, const tinyops_crash *crash,
                        tinyops_reset_cause cause) {
  tinyops_kept *kept = tinyops_kept_open(port);
  if (kept == 0) {
    return;
  }
  kept->faults += cause == TINYOPS_RESET_FAULT;
  kept->crashed = 1;
  kept->crash = *crash;
  kept->crash.image_crc = kept->image_crc;
  kept->announced = cause;
  tinyops_kept_seal(kept);
}

const tinyops_crash *tinyops_kept_last(const tinyops_port *port) {
  const tinyops_kept *kept = record_of(port);
  return kept != 0 && is_valid(kept) && kept->crashed != 0 ? &kept->crash : 0;
}

void tinyops_kept_clear(const tinyops_port *port) {
  tinyops_kept *kept = tinyops_kept_open(port);
  if (kept != 0) {
    kept->crashed = 0;
    kept->crash = (tinyops_crash){0};
    tinyops_kept_seal(kept);
  }
}
