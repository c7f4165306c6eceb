/* As much of CBOR (RFC 8949) as SMP needs: maps with text keys, bounded both ways. */
#ifndef TINYOPS_SMP_CBOR_H
#define TINYOPS_SMP_CBOR_H

#include <stdint.h>

/* Major types. */
enum {
  CBOR_UINT = 0,
  CBOR_NEGATIVE = 1,
  CBOR_BYTES = 2,
  CBOR_TEXT = 3,
  CBOR_ARRAY = 4,
  CBOR_MAP = 5
};

/* Writes up to `end`; what does not fit is left out, and `full` says so. */
typedef struct {
  uint8_t *at;
  uint8_t *end;
  int32_t full;
} cbor_writer;

/* An item that was found: its major type, its number or length, and its bytes. Simple values have
 * the type CBOR_SIMPLE. */
typedef struct {
  uint32_t type;
  uint32_t value;
  const uint8_t *bytes; /* of a text or byte string */
} cbor_item;

enum { CBOR_SIMPLE = 7, CBOR_FALSE = 20, CBOR_TRUE = 21 };

/* A map or array without a length begins with this ... */
void cbor_put_open_map(cbor_writer *writer);
void cbor_put_open_array(cbor_writer *writer);
/* ... and ends with this. */
void cbor_put_end(cbor_writer *writer);
void cbor_put_uint(cbor_writer *writer, uint32_t value);
void cbor_put_int(cbor_writer *writer, int32_t value);
/* A string that ends with a NUL. */
void cbor_put_text(cbor_writer *writer, const char *text);
/* A string, CBOR_BYTES or CBOR_TEXT. It may lie in the writer's own memory, not before `at`. */
void cbor_put_string(cbor_writer *writer, uint32_t type, const uint8_t *bytes, uint32_t count);

/* Entries of a map. */
void cbor_entry_uint(cbor_writer *writer, const char *key, uint32_t value);
void cbor_entry_long(cbor_writer *writer, const char *key, uint64_t value);
void cbor_entry_int(cbor_writer *writer, const char *key, int32_t value);
void cbor_entry_bool(cbor_writer *writer, const char *key, int32_t value);
void cbor_entry_text(cbor_writer *writer, const char *key, const char *text);
/* Several entries: as many of the words as there are names, one after another in `names`, each with
 * its NUL, and an empty one at the end. A name behind a '-' is that of a signed number. */
void cbor_entry_words(cbor_writer *writer, const char *names, const uint32_t *words);
/* Leaves the entry out when `bytes` is null. */
void cbor_entry_bytes(cbor_writer *writer, const char *key, const uint8_t *bytes, uint32_t count);

/* Looks an entry up in the map at `bytes`. Returns 1 and fills in `item`, 0 when there is no such
 * key, -1 when this is no well-formed map of at most `count` bytes. Numbers above 32 bits, strings
 * in pieces, tags and deep nesting count as malformed. */
int32_t cbor_find(const uint8_t *bytes, uint32_t count, const char *key, cbor_item *item);

#endif
