/* The state log: the record that counts, and the next one. docs/decisions/0070 says why it is like
 * this.
 *
 *   half of whole sectors: [record | pad][record | pad] ... blank     (the other half: older, or
 * not)
 *
 *   record, 156 bytes, little-endian, padded with ones to program units:
 *     u32 magic, u32 sequence
 *     for each image: u8 active, u8 trial, u8 state, u8 outcome, u32 counter, 32 bytes digest of
 *                     what was verified in slot 0, 32 bytes of slot 1
 *     u32 CRC-32 of the bytes before */
#ifndef TINYOPS_UPDATE_LOG_H
#define TINYOPS_UPDATE_LOG_H

#include <stdint.h>

#include "tinyops/slots.h"

/* Finds the record that counts and reads it, or what is true without one. Returns OK or ERR_FLASH.
 */
int32_t tinyops_log_open(tinyops_slots *slots);

/* Makes a record of `images`, behind the one that counts, and reads it back. After ERR_FLASH the
 * old one counts, and `images` says what it says. */
int32_t tinyops_log_append(tinyops_slots *slots);

/* Whether records and buffers fit into the flash: OK or ERR_GEOMETRY. */
int32_t tinyops_log_fits(const tinyops_slots *slots);

#endif
