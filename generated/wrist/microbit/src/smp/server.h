/* What the server's files share. */
#ifndef TINYOPS_SMP_SERVER_H
#define TINYOPS_SMP_SERVER_H

#include "cbor.h"
#include "tinyops/smp.h"

enum {
  HEADER_BYTES = 8,
  HEADER_AT = 2, /* of the message in the buffer, after its length */
  BODY_AT = HEADER_AT + HEADER_BYTES
};

/* MCUmgr's own errors, which come without a group in both versions. */
enum {
  MGMT_OK = 0,
  MGMT_UNKNOWN = 1,
  MGMT_INVALID = 3,
  MGMT_SIZE = 7,
  MGMT_UNSUPPORTED = 8,
  MGMT_TOO_NEW = 13
};

/* A request's body, and where the answer's entries go: into the same memory. Whoever writes has
 * read all that he needs. */
typedef struct {
  tinyops_smp *smp;
  const uint8_t *body;
  uint32_t body_bytes;
  cbor_writer *out;
} exchange;

/* Answers a request. Returns 0, a positive error of MCUmgr's, or a negated TINYOPS_SMP_ERR; what
 * was written counts only with 0. */
typedef int32_t (*server_handler)(const exchange *asked);

/* A command: what reads and what writes, null where that is not supported. */
typedef struct {
  uint16_t group;
  uint8_t command;
  server_handler read;
  server_handler write;
} server_command;

/* Looks an unsigned number, a truth value or a string up in the request. Returns 1, 0 when it is
 * not there, or -TINYOPS_SMP_ERR_INVALID when it is of another type or the request is malformed. */
int32_t server_find(const exchange *asked, const char *key, uint32_t type, cbor_item *item);

/* Answers with an empty map. Returns MGMT_OK. */
int32_t server_say_nothing(const exchange *asked);

/* What updates images, null where nothing does. */
const tinyops_smp_images *server_updater(const exchange *asked);

/* Who the board is. Returns MGMT_OK or MGMT_UNSUPPORTED. */
int32_t server_describe(const exchange *asked, tinyops_smp_info *info);

/* Sends the message of `message` bytes in the buffer. */
void server_send(tinyops_smp *smp, uint32_t message);

/* Big-endian. */
uint32_t server_get16(const uint8_t *bytes);
void server_put16(uint8_t *bytes, uint32_t value);

/* Handlers: groups 0 and 1, and ours. */
int32_t server_echo(const exchange *asked);
int32_t server_reset(const exchange *asked);
int32_t server_parameters(const exchange *asked);
int32_t server_os_info(const exchange *asked);
int32_t server_images(const exchange *asked);
int32_t server_set_image(const exchange *asked);
int32_t server_upload(const exchange *asked);
int32_t server_erase_image(const exchange *asked);
int32_t server_info(const exchange *asked);
int32_t server_health(const exchange *asked);
int32_t server_self_test(const exchange *asked);
int32_t server_read_settings(const exchange *asked);
int32_t server_write_settings(const exchange *asked);
int32_t server_bench(const exchange *asked);
int32_t server_read_crash(const exchange *asked);
int32_t server_clear_crash(const exchange *asked);
int32_t server_update(const exchange *asked);
int32_t server_end_trial(const exchange *asked);

#endif
