/* A device on simulated flash, for tests of slots: its layout, its images, and cuts of power at any
 * operation of flash, after which the device recovers and everything is as it was before the cut.
 */
#ifndef SLOTS_DEVICE_H
#define SLOTS_DEVICE_H

#include <stdint.h>

#include "flash_model.h"
#include "tinyops/boot.h"
#include "tinyops/delta.h"
#include "tinyops/slots.h"

enum { LEVELS = 3, UNIT_MAX = 1024, OLD = 0, NEW = 1, VERSIONS = 2 };

typedef struct {
  tinyops_flash_facts facts;
  tinyops_slot slots[TINYOPS_SLOTS_IMAGES][TINYOPS_SLOTS_EACH];
  tinyops_slot state;
  uint32_t unit_bytes;
} slots_layout;

typedef struct {
  uint8_t *bytes;
  uint32_t count;
  uint8_t digest[TINYOPS_SLOTS_DIGEST_BYTES];
} slots_file;

/* What one level of cuts has changed: sectors as they were before. */
typedef struct {
  uint32_t *stamps; /* by sector: the cut in which it was kept */
  uint32_t *sectors;
  uint8_t *kept; /* bytes and marks of each */
  uint32_t count, stamp;
} slots_undo;

typedef struct slots_device slots_device;

struct slots_device {
  slots_layout layout;
  tinyops_flash_model model;
  tinyops_port_flash flash;
  tinyops_boot_table crypto;
  tinyops_slots slots;
  uint8_t units[LEVELS][UNIT_MAX];
  uint8_t contract[TINYOPS_SLOTS_DIGEST_BYTES];
  uint8_t keys[TINYOPS_SLOTS_KEYS_MAX * TINYOPS_SLOTS_KEY_BYTES];
  uint32_t key_count;
  char board[64];
  slots_file files[TINYOPS_SLOTS_IMAGES][TINYOPS_SLOTS_EACH][VERSIONS];
  slots_undo undo[LEVELS];
  uint32_t level; /* cuts that we are within */
  uint32_t pauses;
  uint32_t flicker; /* address of a bit that each second read turns, 0: none */
  uint32_t flickered;
  /* Asked before each operation: whether power shall fail in it. */
  int32_t (*shall_cut)(slots_device *device, uint32_t address, int32_t is_erase);
  /* What happens once power has failed; then all of it is undone. */
  void (*recover)(slots_device *device);
};

/* Ends the run with a sentence when something is not as it must be. */
#define EXPECT(what, ...) ((what) ? (void)0 : slots_fail(__FILE__, __LINE__, __VA_ARGS__))
void slots_fail(const char *file, int line, const char *format, ...);

/* Takes 13 numbers from the command line: origin, bytes, sector, unit and programs of the flash;
 * slots of the firmware (origins, bytes), of the model; the log (origin, bytes). Flash is blank. */
void slots_device_open(slots_device *device, char **numbers);

/* Reads a file as an image. */
slots_file slots_load(const char *path);

/* A cable writes a file to a slot, or noise without one. */
void slots_cable(slots_device *device, const tinyops_slot *slot, const slots_file *file);

/* Starts again, with noise in RAM, and reads the log. */
int32_t slots_power_on(slots_device *device);

/* begin, write in pieces of `piece` bytes, finish. Returns the first refusal, or OK. */
int32_t slots_upload(slots_device *device, uint32_t image, const slots_file *file, uint32_t piece);

/* The same of a delta, which is undone. */
int32_t slots_upload_delta(slots_device *device, uint32_t image, const slots_file *file,
                           uint32_t piece);

/* Which version lies whole in a slot, VERSIONS: none. */
uint32_t slots_holds(const slots_device *device, uint32_t image, uint32_t slot);

/* What is always so when power is on: no rule of flash broken, and what the record calls verified
 * lies there whole. */
void slots_check(slots_device *device);

#endif
