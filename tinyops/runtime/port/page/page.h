/* The last part of a chain in a page: the chain's C as a WebAssembly module, and what it asks of
 * the page's script (port/browser/chain/part.js), which owns the model's module, time and the
 * streams.
 *
 *   fill page_contract, page_name -> page_open -> page_fill, page_run ->
 *   { page_give (what came) -> page_poll until 0 -> page_switches -> (1) page_run } for ever
 *
 * The model is another module, with a memory of its own: here lies its header, what it says of its
 * part, and a copy of its arena, which goes there before each call and comes back after it. */
#ifndef TINYOPS_PORT_PAGE_H
#define TINYOPS_PORT_PAGE_H

#include <stdint.h>

#if defined(__wasm__)
#define PAGE_EXPORT(name) __attribute__((export_name(#name), visibility("default")))
#define PAGE_IMPORT(name) __attribute__((import_module("page"), import_name(#name)))
#else
#define PAGE_EXPORT(name)
#define PAGE_IMPORT(name)
#endif

typedef enum { PAGE_LINE = 0, PAGE_UPSTREAM = 1, PAGE_STREAMS = 2 } page_stream;

/* An entry point of the model. */
typedef enum { PAGE_INIT = 0, PAGE_PUSH = 1, PAGE_PREPARE = 2, PAGE_INVOKE = 3 } page_entry;

/* What the other model than the one that runs is. */
typedef enum {
  PAGE_SPARE_NONE = 0,
  PAGE_SPARE_BEFORE = 1, /* it ran before */
  PAGE_SPARE_WANTED = 2  /* it has proven itself, and is asked for */
} page_spare;

enum {
  PAGE_SLOTS = 2,
  PAGE_IN_BYTES = 4096,    /* of a stream, at once */
  PAGE_MODEL_BYTES = 8192, /* a header, and behind it what it says of its part */
  PAGE_NAME_BYTES = 64
};

/* -- what the page's script does -- */

/* Milliseconds, modulo 2^32. */
PAGE_IMPORT(now_ms) uint32_t page_now_ms(void);
/* Takes `count` bytes at `bytes` for a stream; they are gone when it returns. */
PAGE_IMPORT(write) void page_write(uint32_t stream, const uint8_t *bytes, uint32_t count);
/* Calls the model of a slot on `arena_bytes` at `arena`. Returns its status. */
PAGE_IMPORT(call)
int32_t page_call(uint32_t slot, uint32_t entry, uint8_t *arena, uint32_t arena_bytes);
/* A RESULT or UNAVAILABLE: type, sequence and payload. */
PAGE_IMPORT(report) void page_report(const uint8_t *bytes, uint32_t count);
/* Three words: stack used, stack, other memory, in bytes. */
PAGE_IMPORT(measure) void page_measure(uint32_t *words);

/* -- what it asks -- */

/* 32 bytes, the contract's SHA-256. */
uint8_t *page_contract(void);
/* PAGE_NAME_BYTES, the board's name and zeros. */
uint8_t *page_name(void);
/* Where a stream's bytes are put, PAGE_IN_BYTES, and room of a slot's model, PAGE_MODEL_BYTES. */
uint8_t *page_in(uint32_t stream);
uint8_t *page_model(uint32_t slot);
/* Begins, without a model. 0, or negative for a place that cannot be. */
int32_t page_open(uint32_t position, uint32_t parts, uint32_t after_ms);
/* `count` bytes lie at page_in. Returns how many of those before are left: not 0, nothing is taken.
 */
uint32_t page_give(uint32_t stream, uint32_t count);
/* Whether a model lies at page_model of that slot, its part's words behind the header. */
void page_fill(uint32_t slot, uint32_t is_there);
/* What the slot that does not run holds, a page_spare. */
void page_hold(uint32_t spare);
/* Runs the model of a slot from now on. Its status, as in HELLO. */
int32_t page_run(uint32_t slot);
/* Whether the chain runs the other model from now on: then page_run is to come before the next
 * poll, or page_hold. */
int32_t page_switches(void);
/* As tinyops_part_poll. */
int32_t page_poll(void);
/* Where what it tells of itself and all before it lies, a PART_STATE's payload. */
const uint8_t *page_told(void);

#endif
