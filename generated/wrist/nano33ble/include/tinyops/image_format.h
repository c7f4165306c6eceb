/* An image in a slot, in MCUboot's format: header, body, protected TLVs, TLVs; all numbers are
 * little-endian. Written by tinyops/images, which is its definition; never edited by hand. */
#ifndef TINYOPS_IMAGE_FORMAT_H
#define TINYOPS_IMAGE_FORMAT_H

#define TINYOPS_IMAGE_MAGIC 0x96f3b83du
/* the only flag: runs at its load address alone */
#define TINYOPS_IMAGE_FLAG_ROM_FIXED 0x100u
#define TINYOPS_IMAGE_HEADER_MIN 32u
/* filled up with zeros */
#define TINYOPS_IMAGE_HEADER_MAX 1024u
#define TINYOPS_IMAGE_HEADER_FIRMWARE 256u
#define TINYOPS_IMAGE_HEADER_MODEL 32u
/* of one TLV area, with its head */
#define TINYOPS_IMAGE_AREA_MAX 1024u
#define TINYOPS_IMAGE_BODY_MAX 16777216u

/* Where the header's fields are. */
#define TINYOPS_IMAGE_AT_MAGIC 0u
#define TINYOPS_IMAGE_AT_LOAD_ADDRESS 4u
#define TINYOPS_IMAGE_AT_HEADER_BYTES 8u
#define TINYOPS_IMAGE_AT_PROTECTED_BYTES 10u
#define TINYOPS_IMAGE_AT_BODY_BYTES 12u
#define TINYOPS_IMAGE_AT_FLAGS 16u
#define TINYOPS_IMAGE_AT_MAJOR 20u
#define TINYOPS_IMAGE_AT_MINOR 21u
#define TINYOPS_IMAGE_AT_REVISION 22u
#define TINYOPS_IMAGE_AT_BUILD 24u

/* A TLV area: magic and length (u16 each, the length with this head), then TLVs: type and length
 * (u16 each), value. */
#define TINYOPS_IMAGE_PROTECTED_MAGIC 0x6908u
#define TINYOPS_IMAGE_TLV_MAGIC 0x6907u
#define TINYOPS_IMAGE_AREA_HEAD_BYTES 4u
#define TINYOPS_IMAGE_TLV_HEAD_BYTES 4u

/* SHA-256 of KEY_PREFIX and the raw public key */
#define TINYOPS_IMAGE_TLV_KEY_HASH 0x01u
/* of header, body and protected TLVs */
#define TINYOPS_IMAGE_TLV_SHA256 0x10u
/* signature over those 32 bytes */
#define TINYOPS_IMAGE_TLV_ED25519 0x24u
/* protected; security counter, u32 */
#define TINYOPS_IMAGE_TLV_COUNTER 0x50u
/* protected; SHA-256 of the contract; of a firmware, of the one that it was built for */
#define TINYOPS_IMAGE_TLV_CONTRACT 0xa0u
/* protected; name in the catalogue, ASCII */
#define TINYOPS_IMAGE_TLV_BOARD 0xa1u
/* protected, may be missing; u32 seed (golden.h), u32 CRC-32 of the output tensor */
#define TINYOPS_IMAGE_TLV_GOLDEN 0xa2u
/* protected; u8: 0 firmware, 1 model */
#define TINYOPS_IMAGE_TLV_KIND 0xa3u

#define TINYOPS_IMAGE_DIGEST_BYTES 32u
#define TINYOPS_IMAGE_SIGNATURE_BYTES 64u
#define TINYOPS_IMAGE_KEY_BYTES 32u
#define TINYOPS_IMAGE_BOARD_MAX 63u
/* Before an Ed25519 key's bytes in what the key hash is over: an initialiser. */
#define TINYOPS_IMAGE_KEY_PREFIX \
  { 0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00 }
#define TINYOPS_IMAGE_KEY_PREFIX_BYTES 12u

#endif
