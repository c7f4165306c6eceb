/* A part of a model that several boards share; see chain.h.
 *
 * The image of a part has a tinyops_model_part behind its header, then `takes` + `gives` tensors;
 * header_bytes says so. In a program or a shared object they lie by themselves, as
 * tinyops_model_part_words, and header_bytes is as ever. */
#ifndef TINYOPS_MODEL_PART_H
#define TINYOPS_MODEL_PART_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_MODEL_PART_MAGIC 0x31504f54u /* "TOP1", little-endian */
#define TINYOPS_MODEL_NOWHERE 0xffffffffu

/* A tensor of the message that comes, or of the one that is sent. A message is its tensors' bytes
 * in this order, without gaps. */
typedef struct {
  uint32_t bytes;
  uint32_t arena_offset; /* in the arena; NOWHERE: only passed on */
  uint32_t held_offset;  /* in memory that invoke leaves alone; NOWHERE: made or used up here */
} tinyops_model_tensor;

typedef struct {
  uint32_t magic;
  uint16_t position, parts; /* in the chain, from 0 */
  uint8_t set[16];          /* parts of one set compute one model */
  uint32_t takes_bytes;     /* of the message that comes; of the first part, of its input */
  uint32_t gives_bytes;     /* of the message that is sent; of the last part, of its output */
  uint32_t held_bytes;      /* of memory that invoke leaves alone */
  uint16_t takes, gives;    /* tensors behind this: those that come, then those that are sent */
} tinyops_model_part;

extern const uint32_t tinyops_model_part_words[];

#ifdef __cplusplus
}
#endif

#endif
