/* A server for SMP, MCUmgr's management protocol, over a stream of bytes or over datagrams.
 *
 *   byte -> tinyops_smp_feed -> (1) tinyops_smp_serve -> lines through `write`, then maybe a reset
 *   message -> tinyops_smp_datagram -> its answer through `send`, then maybe a reset
 *
 * On a stream messages travel as on MCUmgr's console: 06 09 or 04 14, base64, newline; see
 * tinyops/link/smp. In a datagram (UDP, BLE) a message is whole, without that framing and its CRC.
 * Requests of versions 1 and 2 are answered in their own version, newer ones are refused in version
 * 2. The caller owns all memory: the server keeps one message, in which the answer takes the place
 * of the request. Numbers and keys are those of smp_group.h. */
#ifndef TINYOPS_SMP_H
#define TINYOPS_SMP_H

#include <stdint.h>

#include "tinyops/health.h"
#include "tinyops/slots.h"
#include "tinyops/smp_group.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { TINYOPS_SMP_DIGEST_BYTES = 32, TINYOPS_SMP_BUFFER_MIN = 64 };

/* Who the board is and what it runs. Digests are SHA-256; null: not to be had. */
typedef struct {
  const char *board;
  const char *fleet;
  const char *version; /* of the firmware */
  const uint8_t *contract;
  const uint8_t *firmware; /* as it lies in flash */
  const uint8_t *model;    /* of the image in its slot */
  uint32_t image_crc;      /* CRC-32 of that image, 0: none */
  uint32_t abi;
  int32_t state; /* of the model: TINYOPS_OK or why it cannot run */
  uint32_t arena_bytes;
  uint32_t ram_bytes;
  uint32_t free_slots;
  const uint8_t *silicon; /* the chip's own number; null: it has none */
  uint32_t silicon_bytes;
} tinyops_smp_info;

/* What a self-test found: a name and 0, or what was wrong, for each check. */
typedef struct {
  uint32_t count;
  const char *names[TINYOPS_SMP_CHECKS_MAX];
  int32_t statuses[TINYOPS_SMP_CHECKS_MAX];
  uint32_t outputs_crc; /* CRC-32 of the output tensor, 0 when the model did not run */
} tinyops_smp_test;

/* The least, the largest and the sum of some measurements. */
typedef struct {
  uint32_t least;
  uint32_t largest;
  uint64_t sum;
} tinyops_smp_spread;

/* How long inferences took; the other fields as in port.h. */
typedef struct {
  tinyops_smp_spread ticks;
  tinyops_smp_spread cycles;
  uint32_t tick_hz;
  uint8_t cycle_bits;
  uint8_t emulated;
} tinyops_smp_bench;

/* Where a board keeps its settings. Both calls return 0 or a TINYOPS_SMP_ERR, negated. */
typedef struct {
  void *context;
  /* Copies up to `room` bytes of the settings from `offset` on, and says how many, and how many
   * there are in all. */
  int32_t (*read)(void *context, uint32_t offset, uint8_t *bytes, uint32_t room, uint32_t *count,
                  uint32_t *total);
  /* Takes a piece. The first one has offset 0; a piece that does not follow the one before is
   * refused with TINYOPS_SMP_ERR_INVALID. With the piece that ends at `total` the new settings take
   * effect, all of them or none. */
  int32_t (*write)(void *context, uint32_t offset, const uint8_t *bytes, uint32_t count,
                   uint32_t total);
  /* Whether the board trusts keys: it was enrolled, and a link that is not local may not change who
   * it is. Null: it never does. */
  int32_t (*trusts_keys)(void *context);
} tinyops_smp_settings;

/* What lies in a slot, as MCUmgr lists it. */
typedef struct {
  tinyops_image_info image; /* its version, and the digest that is its name */
  uint8_t has_digest;
  uint8_t bootable;  /* it was verified */
  uint8_t pending;   /* it was asked to run on trial, and does not yet */
  uint8_t confirmed; /* it runs when nothing is on trial */
  uint8_t active;    /* it runs */
} tinyops_smp_slot;

/* How updates of an image fare: the numbers of UPDATE in tinyops/link/smp, in that order. */
typedef struct {
  uint32_t state, outcome, refusal;
  uint32_t written, announced;
  uint32_t counter;
  uint32_t gap_ms, lost;
  uint32_t deltas;
} tinyops_smp_update;

/* Images and their updates: 0 is the firmware, 1 the model. Calls get the board's `images` first
 * and return 0 or more, or a negative tinyops_slots_status. All but the first are null, or none of
 * them: such a board says what runs, and replaces nothing over SMP. */
typedef struct {
  /* Says what lies in a slot. Returns 1, or 0: nothing, or there is no such slot. */
  int32_t (*describe)(void *images, uint32_t image, uint32_t slot, tinyops_smp_slot *found);
  /* Begins to take a file of `bytes` bytes, or goes on with it: `digest` is its SHA-256, or null.
   * Returns the offset of the next piece. */
  int32_t (*begin)(void *images, uint32_t image, uint32_t bytes, const uint8_t *digest);
  /* Takes a piece; the last one is judged with all of the file. A piece from elsewhere changes
   * nothing. Returns the offset of the next piece. */
  int32_t (*write)(void *images, uint32_t offset, const uint8_t *bytes, uint32_t count);
  int32_t (*erase)(void *images, uint32_t image, uint32_t slot);
  int32_t (*test)(void *images, uint32_t image, const uint8_t *digest);
  /* What runs of the image stays; nothing to do where nothing is on trial, or is there. */
  int32_t (*confirm)(void *images, uint32_t image);
  /* Ends a trial: what ran before runs again, a model at once, a firmware after a reset. */
  int32_t (*revert)(void *images, uint32_t image);
  void (*report)(void *images, uint32_t image, tinyops_smp_update *update);
  /* A reset was asked for, and follows. */
  void (*prepare_reset)(void *images);
} tinyops_smp_images;

/* What the server needs from the application. A null call is answered with UNSUPPORTED. Those that
 * return a number return 0 or a TINYOPS_SMP_ERR, negated. */
typedef struct {
  void *context;
  /* Sends bytes over the line; as in port.h. */
  void (*write)(void *context, const uint8_t *bytes, uint32_t count);
  void (*info)(void *context, tinyops_smp_info *info);
  void (*health)(void *context, tinyops_health *health);
  /* The fault that is kept, or null. */
  const tinyops_crash *(*crash)(void *context);
  void (*clear_crash)(void *context);
  /* Runs the model on zeros or, with `keep`, on what the input tensor holds. */
  int32_t (*self_test)(void *context, int32_t keep, tinyops_smp_test *test);
  /* Runs the model `repeat` times, 1 to TINYOPS_SMP_BENCH_REPEAT_MAX. */
  int32_t (*bench)(void *context, uint32_t repeat, tinyops_smp_bench *bench);
  /* Starts the board again; is called when the answer is on its way. */
  void (*reset)(void *context);
  const tinyops_smp_settings *settings;  /* may be null */
  const tinyops_smp_images *image_calls; /* may be null: it does not say what runs */
  void *images;                          /* for them */
} tinyops_smp_board;

/* Whether whoever asks has the board before him: on a cable, and not over a radio or a network. */
typedef enum { TINYOPS_SMP_LOCAL = 0, TINYOPS_SMP_REMOTE = 1 } tinyops_smp_link;

/* State of the server; the caller provides the memory and leaves it alone. */
typedef struct {
  const tinyops_smp_board *board;
  uint8_t *buffer; /* length, message, CRC */
  uint32_t buffer_bytes;
  uint32_t length;   /* decoded so far */
  uint32_t bits;     /* of base64 that make no byte yet */
  uint8_t bit_count; /* how many */
  uint8_t padded;    /* the line's base64 has ended */
  uint8_t state;     /* of the line */
  uint8_t resetting; /* once the answer is sent */
  uint8_t link;      /* a tinyops_smp_link */
  uint32_t bad_messages;
} tinyops_smp;

/* Prepares the server. `buffer` holds a message, its length and its CRC, TINYOPS_SMP_BUFFER_MIN
 * bytes at the least, TINYOPS_SMP_MESSAGE_MIN to be asked everything but to list four slots, for
 * which TINYOPS_SMP_MESSAGE_MAX is enough; everything pointed to outlives the server. */
void tinyops_smp_open(tinyops_smp *smp, const tinyops_smp_board *board, tinyops_smp_link link,
                      uint8_t *buffer, uint32_t buffer_bytes);

/* Takes one byte of the line. Returns 1 when a whole, checked message lies in the buffer: serve it
 * before the next byte. Bytes that are no message are stepped over. */
int32_t tinyops_smp_feed(tinyops_smp *smp, uint8_t byte);

/* Forgets a line that has begun: something else came. */
void tinyops_smp_break(tinyops_smp *smp);

/* Answers the message in the buffer, or drops what is no request. Calls `board->reset` at the end
 * when that was asked. */
void tinyops_smp_serve(tinyops_smp *smp);

/* Where the answer to a datagram goes; `to` is the caller's. */
typedef void (*tinyops_smp_send)(void *to, const uint8_t *bytes, uint32_t count);

/* Answers the message of `count` bytes that came whole, or drops what is no request. What is longer
 * than the buffer takes is refused by number. Calls `board->reset` at the end when that was asked.
 * A server of datagrams is fed no stream. */
void tinyops_smp_datagram(tinyops_smp *smp, const uint8_t *bytes, uint32_t count,
                          tinyops_smp_send send, void *to);

#ifdef __cplusplus
}
#endif

#endif
