/* Slots: images in flash that replace each other, whatever fails meanwhile.
 *
 * Image 0 is the firmware, image 1 the model. Each has up to two slots. An update is written to the
 * slot that does not run (begin, write ..., finish), which proves digest, signature, board,
 * contract and counter; is put on trial (test, start); and is confirmed, or reverts by itself:
 *
 *   written --finish--> verified --test--> pending --start--> on trial --confirm--> active
 *                                             \                  |
 *                                              +---- revert <----+  (a reset, a fault, a watchdog)
 *
 * What counts is a log of records in a region of its own: two halves of whole sectors, a record
 * whole or not there. A slot counts only while the record that counts names the digest that was
 * verified in it; that record is gone before the slot is erased. Two operations of flash are never
 * taken for one.
 *
 * The caller owns the struct, its buffers and the flash. Every call may erase or program as much as
 * it says, calls `pause` between pieces of long work, and returns a tinyops_slots_status. */
#ifndef TINYOPS_SLOTS_H
#define TINYOPS_SLOTS_H

#include <stdint.h>

#include "tinyops/port.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_SLOTS_IMAGES 2u
#define TINYOPS_SLOTS_EACH 2u
#define TINYOPS_SLOTS_NONE 0xffu /* in place of a slot's number */
#define TINYOPS_SLOTS_DIGEST_BYTES 32u
#define TINYOPS_SLOTS_KEY_BYTES 32u
#define TINYOPS_SLOTS_KEYS_MAX 4u

typedef enum { TINYOPS_IMAGE_FIRMWARE = 0, TINYOPS_IMAGE_MODEL = 1 } tinyops_image_number;

/* Negative: why not. The numbers are part of the call table and of what devices report. */
typedef enum {
  TINYOPS_SLOTS_OK = 0,
  TINYOPS_SLOTS_ERR_FLASH = -1,    /* the flash refused, or reads back other bytes */
  TINYOPS_SLOTS_ERR_GEOMETRY = -2, /* slots, regions, sectors and buffers do not go together */
  TINYOPS_SLOTS_ERR_NO_SLOT = -3,  /* there is no such image, or no second slot for it */
  TINYOPS_SLOTS_ERR_OFFSET = -4,   /* the piece does not follow the one before */
  TINYOPS_SLOTS_ERR_BYTES = -5,    /* larger than the slot, or more or fewer bytes than announced */
  TINYOPS_SLOTS_ERR_IMAGE = -6,    /* no image of MCUboot's format, or a malformed one */
  TINYOPS_SLOTS_ERR_DIGEST = -7,   /* its content is not what its digest says */
  TINYOPS_SLOTS_ERR_SIGNATURE = -8, /* no trusted key signed it */
  TINYOPS_SLOTS_ERR_KEYS = -9,      /* this device trusts no key: it was not enrolled */
  TINYOPS_SLOTS_ERR_BOARD = -10,    /* made for another board */
  TINYOPS_SLOTS_ERR_ADDRESS = -11,  /* linked for another slot */
  TINYOPS_SLOTS_ERR_CONTRACT = -12, /* a model for another contract than this firmware's */
  TINYOPS_SLOTS_ERR_COUNTER = -13,  /* its security counter is lower than the device's */
  TINYOPS_SLOTS_ERR_STATE = -14,    /* nothing is being written, verified, pending or on trial */
  TINYOPS_SLOTS_ERR_ABSENT = -15,   /* no slot holds an image with that digest */
  TINYOPS_SLOTS_ERR_KIND = -16,     /* a model where a firmware belongs, or the reverse */
  TINYOPS_SLOTS_ERR_BASE = -17,     /* a delta from another image than the one that runs */
  TINYOPS_SLOTS_ERR_DELTA = -18     /* a malformed delta */
} tinyops_slots_status;

/* What became of the last trial of an image; part of what devices report. */
typedef enum {
  TINYOPS_TRIAL_NONE = 0,      /* there was none yet */
  TINYOPS_TRIAL_CONFIRMED = 1, /* it is active */
  TINYOPS_TRIAL_RESET = 2,     /* the device was reset before it was confirmed: reverted */
  TINYOPS_TRIAL_SELF_TEST = 3, /* it failed its self-test: reverted */
  TINYOPS_TRIAL_DAMAGED = 4,   /* its bytes had changed when it was to start: dropped */
  TINYOPS_TRIAL_REFUSED = 5    /* the firmware cannot run it: reverted */
} tinyops_trial_outcome;

/* Where an image is between test and confirm. */
typedef enum {
  TINYOPS_TRIAL_IDLE = 0,
  TINYOPS_TRIAL_PENDING = 1, /* starts at the next boundary between inferences, or at a boot */
  TINYOPS_TRIAL_RUNNING = 2  /* runs, and reverts at the next boot */
} tinyops_trial_state;

typedef struct {
  uint32_t origin, bytes; /* whole sectors; 0 bytes: there is no such slot */
} tinyops_slot;

/* What the newest record says of one image. */
typedef struct {
  uint8_t active;  /* slot that runs unless one is on trial; TINYOPS_SLOTS_NONE: nobody knows yet */
  uint8_t trial;   /* slot of the trial, TINYOPS_SLOTS_NONE; once idle, of one that failed and still
                      lies there: such a model runs again only when it is tested again */
  uint8_t state;   /* a tinyops_trial_state */
  uint8_t outcome; /* a tinyops_trial_outcome: of the last one */
  uint32_t counter; /* least security counter that is accepted */
  uint8_t verified[TINYOPS_SLOTS_EACH][TINYOPS_SLOTS_DIGEST_BYTES]; /* zeros: nothing is */
} tinyops_slots_image;

struct tinyops_boot_table;

/* Filled in by the caller up to `pause`; the rest by tinyops_slots_open. Part of the call table:
 * version 1 of it never changes. */
typedef struct {
  const tinyops_port_flash *flash;
  void *context;                           /* the flash's, and of `pause` */
  const struct tinyops_boot_table *crypto; /* see boot.h; may be the caller's own */
  tinyops_slot slots[TINYOPS_SLOTS_IMAGES][TINYOPS_SLOTS_EACH];
  tinyops_slot state;      /* the log: two halves of whole sectors */
  const char *board;       /* its name in the catalogue */
  const uint8_t *contract; /* 32 bytes that a model must name; null: any (a bootloader) */
  const uint8_t *keys;     /* trusted Ed25519 keys, one after another */
  uint32_t key_count;      /* 0: none, nothing can be written; what a cable wrote still runs */
  uint8_t *unit;           /* buffer for one step of work, 4-aligned */
  uint32_t unit_bytes;     /* whole program units; holds a record: TINYOPS_SLOTS_UNIT_MIN or more */
  void (*pause)(void *context); /* may feed a watchdog; null: nothing */
  /* The record that counts. */
  uint32_t sequence; /* 0: there is none */
  uint32_t record;   /* its address */
  uint32_t next;     /* where the next one goes; 0: into the other half, once erased */
  tinyops_slots_image images[TINYOPS_SLOTS_IMAGES];
  /* What is being written. */
  uint8_t writing; /* image, TINYOPS_SLOTS_NONE */
  uint8_t target;  /* slot */
  uint8_t has_upload_digest;
  uint8_t reserved;
  uint32_t announced;                                /* bytes of the whole file */
  uint32_t given;                                    /* of them taken */
  uint32_t filled;                                   /* of them in `unit`, not yet programmed */
  uint32_t erased;                                   /* bytes of the slot, from its start */
  uint8_t upload_digest[TINYOPS_SLOTS_DIGEST_BYTES]; /* of the file, as its sender says */
} tinyops_slots;

#define TINYOPS_SLOTS_UNIT_MIN 160u

/* An image as it lies in a slot. */
typedef struct {
  uint32_t header_bytes; /* its content begins behind them */
  uint32_t body_bytes;
  uint32_t total_bytes; /* with header and TLVs */
  uint8_t major, minor;
  uint16_t revision;
  uint32_t build;
  uint32_t load_address; /* of a firmware: its slot's origin */
  uint32_t counter;
  uint32_t kind;                              /* a tinyops_image_number */
  uint32_t has_golden;                        /* whether the next two are there */
  uint32_t golden_seed;                       /* of the input of the self-test, see golden.h */
  uint32_t golden_crc;                        /* CRC-32 of the outputs that it must give */
  uint8_t digest[TINYOPS_SLOTS_DIGEST_BYTES]; /* SHA-256 of header, body and protected TLVs */
  uint8_t contract[TINYOPS_SLOTS_DIGEST_BYTES];
} tinyops_image_info;

/* Reads the log. Returns OK, also where there is no record yet, ERR_GEOMETRY or ERR_FLASH. Writes
 * nothing. */
int32_t tinyops_slots_open(tinyops_slots *slots);

/* At start-up, for each image by whoever starts it (the bootloader image 0, the application image
 * 1): ends whatever was on trial, for image 0 of both images, for image 1 of that one; starts what
 * is pending of `image`; and finds the slot to run: the trial's, else the active one, else the
 * other one, whichever first has the digest that was verified in it and a counter that is accepted.
 * The other one becomes active; not a model under a firmware on trial, nor a model whose trial
 * failed. An image that a cable wrote, which no record knows, is verified now, by signature where
 * the device trusts keys. Returns the slot, or ERR_ABSENT when none can run. Fills in `info`, which
 * may be null. */
int32_t tinyops_slots_boot(tinyops_slots *slots, uint32_t image, tinyops_image_info *info);

/* Which slot of `image` runs now, TINYOPS_SLOTS_NONE: none. */
uint32_t tinyops_slots_running(const tinyops_slots *slots, uint32_t image);

/* Begins to write a file of `bytes` bytes to the slot that does not run, or goes on: `digest`, the
 * file's SHA-256, may be null; when file and length are those that are being written, what was
 * written stays. Ends a pending trial of that slot; refused with ERR_STATE while one runs there.
 * Returns the offset of the next piece, or a negative status. */
int32_t tinyops_slots_begin(tinyops_slots *slots, uint32_t image, uint32_t bytes,
                            const uint8_t *digest);

/* Takes the `count` bytes at `offset` of the file. The header is judged as soon as it is there:
 * what could never run here is refused before the slot is filled. Erases a sector when it is
 * reached. Returns the offset of the next piece, or a negative status. ERR_OFFSET changes nothing:
 * `given` is what is wanted. After any other refusal nothing is being written any more. */
int32_t tinyops_slots_write(tinyops_slots *slots, uint32_t offset, const uint8_t *bytes,
                            uint32_t count);

/* When the last byte is there: verifies what lies in flash, by digest and signature, against board,
 * slot, contract and counter, and records it. Returns OK or the first reason why not; the slot then
 * counts for nothing. */
int32_t tinyops_slots_finish(tinyops_slots *slots);

/* Forgets what is being written, and what the slot that does not run holds, and erases its first
 * sector. */
int32_t tinyops_slots_erase(tinyops_slots *slots, uint32_t image);

/* Makes the verified image with that digest pending. One that runs already: OK, nothing changes.
 * Returns OK, ERR_ABSENT, ERR_STATE while another one is on trial, ERR_FLASH, or why this device
 * cannot run it any more: ERR_COUNTER, ERR_CONTRACT, ... */
int32_t tinyops_slots_test(tinyops_slots *slots, uint32_t image, const uint8_t *digest);

/* What is pending of `image` now runs on trial: recorded before it does. Returns its slot,
 * ERR_STATE when nothing is pending, ERR_DIGEST: it was damaged meanwhile, and dropped, or
 * ERR_CONTRACT or ERR_COUNTER: this firmware cannot run it, the trial has ended. ERR_FLASH: still
 * pending. Fills in `info`, which may be null. */
int32_t tinyops_slots_start(tinyops_slots *slots, uint32_t image, tinyops_image_info *info);

/* A trial that runs becomes the active image; the counter rises to its. OK as well when nothing is
 * on trial and the active image runs. ERR_STATE for one that is pending, and for a model while the
 * firmware is on trial: the firmware first, or the one before it might have no model. */
int32_t tinyops_slots_confirm(tinyops_slots *slots, uint32_t image);

/* Ends a trial, running or pending, with an `outcome`. OK as well when there is none. */
int32_t tinyops_slots_revert(tinyops_slots *slots, uint32_t image, tinyops_trial_outcome outcome);

/* A trial that runs becomes pending again: before a reset that a client asks for, so that it comes
 * back on trial. OK as well when there is none. */
int32_t tinyops_slots_again(tinyops_slots *slots, uint32_t image);

/* What lies in a slot, judged by its form alone; `verified` is for the record to say. Returns OK,
 * ERR_NO_SLOT, ERR_IMAGE or ERR_FLASH. */
int32_t tinyops_slots_describe(tinyops_slots *slots, uint32_t image, uint32_t slot,
                               tinyops_image_info *info);

#ifdef __cplusplus
}
#endif

#endif
