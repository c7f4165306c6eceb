/* Images as they lie in a slot: their form, whether this device may run them, whether they are
 * whole and whose. Everything in flash is hostile until it is proved. */
#ifndef TINYOPS_UPDATE_IMAGE_H
#define TINYOPS_UPDATE_IMAGE_H

#include <stdint.h>

#include "tinyops/image_format.h"
#include "tinyops/slots.h"

typedef struct {
  tinyops_image_info info;
  uint32_t flags;
  uint32_t protected_bytes;
  uint32_t digested; /* bytes under the digest */
  uint32_t found;    /* TLVs: bits in the order of the table in image.c */
  uint32_t board_bytes;
  uint8_t board[TINYOPS_IMAGE_BOARD_MAX];
  uint8_t kind;
  uint8_t key_hash[TINYOPS_IMAGE_DIGEST_BYTES];
  uint8_t signature[TINYOPS_IMAGE_SIGNATURE_BYTES];
} tinyops_image;

/* Reads a header, TINYOPS_IMAGE_HEADER_MIN bytes, of an image that has `room` bytes. Returns OK or
 * ERR_IMAGE. */
int32_t tinyops_image_take_header(tinyops_image *image, const uint8_t *raw, uint32_t room);

/* Whether a header is that of `number` for that slot: OK, ERR_KIND, ERR_ADDRESS. */
int32_t tinyops_image_fits_slot(const tinyops_image *image, uint32_t number,
                                const tinyops_slot *slot);

/* Reads what lies in a slot, its form alone. Returns OK, ERR_NO_SLOT, ERR_IMAGE or ERR_FLASH. */
int32_t tinyops_image_read(tinyops_slots *slots, uint32_t number, uint32_t slot,
                           tinyops_image *image);

/* The same, and whether this device may run it: ERR_KIND, ERR_ADDRESS, ERR_BOARD, ERR_CONTRACT,
 * ERR_COUNTER. */
int32_t tinyops_image_judge(tinyops_slots *slots, uint32_t number, uint32_t slot,
                            tinyops_image *image);

/* Whether an image's content is what its digest says: OK, ERR_DIGEST, ERR_FLASH. Reads all of it.
 */
int32_t tinyops_image_check_digest(tinyops_slots *slots, const tinyops_slot *slot,
                                   const tinyops_image *image);

/* Whether a trusted key signed an image's digest: OK, ERR_SIGNATURE. */
int32_t tinyops_image_check_signature(const tinyops_slots *slots, const tinyops_image *image);

#endif
