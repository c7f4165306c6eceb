/* Flash as a datasheet promises it and no better: for tests on the host and for twins.
 *
 * Enforces the rules of one region of a board's catalogue entry: whole sectors are erased, whole
 * units programmed, none more often than allowed between two erases, and programming only turns
 * ones into zeros. A cut of power leaves the unit or sector that was being written unstable: it
 * reads differently each time until it is erased. The first broken rule is kept in `broken`; from
 * then on, and from a cut on until power comes back, every call fails and changes nothing.
 *
 * The caller owns all memory. Bounded work in a call: linear in the bytes it is given, but for an
 * erase, which is linear in its sectors. */
#ifndef TINYOPS_FLASH_MODEL_H
#define TINYOPS_FLASH_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum {
  TINYOPS_FLASH_OK = 0,
  TINYOPS_FLASH_BROKEN = -1,   /* a rule was broken; see `broken` */
  TINYOPS_FLASH_POWER_CUT = -2 /* power failed in this call, or in one before it */
} tinyops_flash_status;

typedef enum {
  TINYOPS_FLASH_NO_RULE = 0,
  TINYOPS_FLASH_RANGE = 1,  /* lies outside the region */
  TINYOPS_FLASH_SECTOR = 2, /* an erase of no whole sectors */
  TINYOPS_FLASH_UNIT = 3,   /* a program of no whole units */
  TINYOPS_FLASH_REPROGRAM =
      4 /* a unit was programmed more often than it may be between two erases */,
  TINYOPS_FLASH_ONES = 5 /* a zero was to become a one */
} tinyops_flash_rule;

/* Of one region. */
typedef struct {
  uint32_t origin; /* its first address */
  uint32_t bytes;  /* whole sectors */
  uint32_t erase_bytes;
  uint32_t program_bytes; /* divides erase_bytes */
  uint32_t programs;      /* how often a unit may be programmed between two erases, 1 to 200 */
} tinyops_flash_facts;

typedef struct {
  tinyops_flash_facts facts;
  uint8_t *content;    /* `bytes` bytes */
  uint8_t *marks;      /* one a unit: how often it was programmed; TINYOPS_FLASH_UNSTABLE */
  uint32_t noise;      /* a seed: which bits a cut leaves, and every later read of them */
  uint32_t operations; /* units programmed and sectors erased, so far */
  uint32_t cut_at;     /* power fails within the operation of this number; 0: never */
  uint32_t unstable;   /* units that are */
  uint8_t is_off;      /* power has failed */
  tinyops_flash_rule broken;
  uint32_t broken_at; /* address */
} tinyops_flash_model;

#define TINYOPS_FLASH_UNSTABLE 0xffu

/* How many bytes `marks` needs. */
uint32_t tinyops_flash_marks_bytes(const tinyops_flash_facts *facts);

/* Takes over what `content` holds: a unit that is not erased counts as programmed, as often as is
 * known of it: once. `marks` is written. */
void tinyops_flash_model_open(tinyops_flash_model *model, const tinyops_flash_facts *facts,
                              uint8_t *content, uint8_t *marks, uint32_t seed);

/* The three calls of tinyops_port_flash, with a tinyops_flash_model as context. Return a
 * tinyops_flash_status. */
int32_t tinyops_flash_model_erase(void *context, uint32_t address, uint32_t bytes);
int32_t tinyops_flash_model_program(void *context, uint32_t address, const uint8_t *bytes,
                                    uint32_t count);
int32_t tinyops_flash_model_read(void *context, uint32_t address, uint8_t *bytes, uint32_t count);

/* Gives new bits to what is unstable, as every read does; for whoever reads `content` by itself. */
void tinyops_flash_model_stir(tinyops_flash_model *model);

/* Power comes back, after a cut or without one. Unstable units stay so; a broken rule stays. */
void tinyops_flash_model_power_on(tinyops_flash_model *model);

/* A rule as a sentence about a place, in ASCII, for ever valid. */
const char *tinyops_flash_rule_text(tinyops_flash_rule rule);

#ifdef __cplusplus
}
#endif

#endif
