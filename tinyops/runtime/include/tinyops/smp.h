/* A server for SMP, MCUmgr's management protocol, over any stream of bytes.
 *
 *   byte -> tinyops_smp_feed -> (1) tinyops_smp_serve -> lines through `write`, then maybe a reset
 *
 * Messages travel as on MCUmgr's console: 06 09 or 04 14, base64, newline; see tinyops/link/smp.
 * Requests of versions 1 and 2 are answered in their own version, newer ones are refused in version
 * 2. The caller owns all memory: the server keeps one message, in which the answer takes the place
 * of the request. Numbers and keys are those of smp_group.h. */
#ifndef TINYOPS_SMP_H
#define TINYOPS_SMP_H

#include <stdint.h>

#include "tinyops/health.h"
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
} tinyops_smp_settings;

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
  const tinyops_smp_settings *settings; /* may be null */
} tinyops_smp_board;

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
  uint32_t bad_messages;
} tinyops_smp;

/* Prepares the server. `buffer` holds a message, its length and its CRC, TINYOPS_SMP_BUFFER_MIN
 * bytes at the least, TINYOPS_SMP_MESSAGE_MAX to be asked everything; everything pointed to
 * outlives the server. */
void tinyops_smp_open(tinyops_smp *smp, const tinyops_smp_board *board, uint8_t *buffer,
                      uint32_t buffer_bytes);

/* Takes one byte of the line. Returns 1 when a whole, checked message lies in the buffer: serve it
 * before the next byte. Bytes that are no message are stepped over. */
int32_t tinyops_smp_feed(tinyops_smp *smp, uint8_t byte);

/* Forgets a line that has begun: something else came. */
void tinyops_smp_break(tinyops_smp *smp);

/* Answers the message in the buffer, or drops what is no request. Calls `board->reset` at the end
 * when that was asked. */
void tinyops_smp_serve(tinyops_smp *smp);

#ifdef __cplusplus
}
#endif

#endif
