/* Who the device is: a small region of flash in two copies that no update touches.
 *
 * A write goes to the copy that does not count, its header last; power may fail at any moment and
 * leaves the old settings or the new. The format is in settings_format.h. The caller owns the
 * struct, its buffer and the flash; nothing is allocated. */
#ifndef TINYOPS_SETTINGS_H
#define TINYOPS_SETTINGS_H

#include <stdint.h>

#include "tinyops/port.h"
#include "tinyops/settings_format.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  TINYOPS_SETTINGS_OK = 0,
  TINYOPS_SETTINGS_ERR_NONE = -1,  /* no copy is whole, or it has no such value */
  TINYOPS_SETTINGS_ERR_FLASH = -2, /* the flash refused, or reads back other bytes */
  TINYOPS_SETTINGS_ERR_GEOMETRY =
      -3, /* region, sectors, program units and buffer do not go together */
  TINYOPS_SETTINGS_ERR_BYTES = -4, /* more or fewer values than announced, or too many */
  TINYOPS_SETTINGS_ERR_VALUE = -5, /* the values are not well-formed */
  TINYOPS_SETTINGS_ERR_ROOM = -6   /* the value is longer than the caller's buffer */
} tinyops_settings_error;

/* Filled in by the caller up to `unit_bytes`; the rest by tinyops_settings_open. */
typedef struct tinyops_settings {
  const tinyops_port_flash *flash;
  void *context;       /* the port's */
  uint32_t origin;     /* of the region; both copies are whole sectors */
  uint32_t bytes;      /* of both copies together */
  uint8_t *unit;       /* buffer for one step of work */
  uint32_t unit_bytes; /* its length: a multiple of the flash's program unit, at least a header */
  uint32_t current;    /* address of the copy that counts, 0xffffffff: none */
  uint32_t sequence;   /* its */
  uint32_t length;     /* of its values */
  uint32_t target;     /* a write in progress: address of the copy, 0xffffffff: none */
  uint32_t announced, given, filled, crc;
} tinyops_settings;

/* Finds the copy that counts. Returns 0, ERR_NONE when there is none yet (writing is possible all
 * the same), ERR_GEOMETRY, or ERR_FLASH. */
int32_t tinyops_settings_open(tinyops_settings *settings);

/* Copies a value to `value`, which has room for `room` bytes. Returns its length, ERR_NONE,
 * ERR_ROOM or ERR_FLASH. For the device's own use: gives out secrets. */
int32_t tinyops_settings_get(tinyops_settings *settings, uint8_t tag, uint8_t *value,
                             uint32_t room);

/* Begins to write `length` bytes of values: erases the copy that does not count. A write in
 * progress is given up. Returns 0, ERR_BYTES, or ERR_FLASH. */
int32_t tinyops_settings_begin(tinyops_settings *settings, uint32_t length);

/* The next `count` bytes of values, in pieces of any length. Returns 0, ERR_BYTES (also without a
 * write in progress), or ERR_FLASH. */
int32_t tinyops_settings_put(tinyops_settings *settings, const uint8_t *bytes, uint32_t count);

/* Ends the write: reads the values back, compares them with what was given, and programs the
 * header. After 0 the new copy counts. Returns 0, ERR_BYTES, ERR_VALUE, or ERR_FLASH; the old copy
 * then still counts. */
int32_t tinyops_settings_commit(tinyops_settings *settings);

/* For management, where settings travel in pieces. Takes the `count` bytes at `offset` of `length`
 * bytes of values: the first piece begins a write, each goes on where the last one ended, the last
 * one commits. Returns where the next piece begins, or a negative error; the write is then given
 * up. */
int32_t tinyops_settings_take_piece(tinyops_settings *settings, uint32_t offset, uint32_t length,
                                    const uint8_t *bytes, uint32_t count);

/* The other way: copies up to `room` bytes at `offset` of the values that are no secrets, and tells
 * in `length` how many there are. Returns how many were copied, ERR_NONE, ERR_BYTES for an offset
 * behind them, or ERR_FLASH. */
int32_t tinyops_settings_give_piece(tinyops_settings *settings, uint32_t offset, uint8_t *bytes,
                                    uint32_t room, uint32_t *length);

#ifdef __cplusplus
}
#endif

#endif
