/* What a device has once: cryptography and slots, in its bootloader, for the application too.
 *
 * The table lies in the last TINYOPS_BOOT_TABLE_BYTES of the bootloader's region. A bootloader is
 * never replaced in the field: version 1 never changes, later versions append. A board without a
 * bootloader of ours links the same table into its application (tinyops_boot_own). */
#ifndef TINYOPS_BOOT_H
#define TINYOPS_BOOT_H

#include <stdint.h>

#include "tinyops/sha256.h"
#include "tinyops/slots.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_BOOT_MAGIC 0x31544254u /* "TBT1", little-endian */
#define TINYOPS_BOOT_VERSION 1u
#define TINYOPS_BOOT_TABLE_BYTES 128u

struct tinyops_settings;

typedef struct tinyops_boot_table {
  uint32_t magic;
  uint16_t version;
  uint16_t bytes; /* of the table */
  /* SHA-256 of what can be read; see sha256.h. */
  void (*sha256_of)(tinyops_sha256_reader read, void *context, uint32_t count, uint8_t *digest);
  /* Ed25519 (RFC 8032): 0 when `signature` (64 bytes) is that of `key` (32) over `count` bytes,
   * else -1. Takes about 2 KB of stack. */
  int32_t (*ed25519_verify)(const uint8_t *signature, const uint8_t *key, const uint8_t *message,
                            uint32_t count);
  /* slots.h, in its order. */
  int32_t (*open)(tinyops_slots *slots);
  int32_t (*boot)(tinyops_slots *slots, uint32_t image, tinyops_image_info *info);
  uint32_t (*running)(const tinyops_slots *slots, uint32_t image);
  int32_t (*begin)(tinyops_slots *slots, uint32_t image, uint32_t bytes, const uint8_t *digest);
  int32_t (*write)(tinyops_slots *slots, uint32_t offset, const uint8_t *bytes, uint32_t count);
  int32_t (*finish)(tinyops_slots *slots);
  int32_t (*erase)(tinyops_slots *slots, uint32_t image);
  int32_t (*test)(tinyops_slots *slots, uint32_t image, const uint8_t *digest);
  int32_t (*start)(tinyops_slots *slots, uint32_t image, tinyops_image_info *info);
  int32_t (*confirm)(tinyops_slots *slots, uint32_t image);
  int32_t (*revert)(tinyops_slots *slots, uint32_t image, tinyops_trial_outcome outcome);
  int32_t (*again)(tinyops_slots *slots, uint32_t image);
  int32_t (*describe)(tinyops_slots *slots, uint32_t image, uint32_t slot,
                      tinyops_image_info *info);
  /* settings.h, for boards whose flash is scarce: there these functions are the bootloader's alone.
   * Null on others. */
  int32_t (*settings_open)(struct tinyops_settings *settings);
  int32_t (*settings_get)(struct tinyops_settings *settings, uint8_t tag, uint8_t *value,
                          uint32_t room);
  int32_t (*settings_take_piece)(struct tinyops_settings *settings, uint32_t offset,
                                 uint32_t length, const uint8_t *bytes, uint32_t count);
  int32_t (*settings_give_piece)(struct tinyops_settings *settings, uint32_t offset, uint8_t *bytes,
                                 uint32_t room, uint32_t *length);
} tinyops_boot_table;

/* Whether a table is there that this application can use. */
static inline int32_t tinyops_boot_is_usable(const tinyops_boot_table *table) {
  return table->magic == TINYOPS_BOOT_MAGIC && table->version >= TINYOPS_BOOT_VERSION;
}

#ifdef __cplusplus
}
#endif

#endif
