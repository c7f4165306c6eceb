/* Requests in, answers out: the header, the table of commands, errors in both versions. */
#include "server.h"

enum {
  OP_AT = HEADER_AT,
  FLAGS_AT = HEADER_AT + 1,
  LENGTH_AT = HEADER_AT + 2,
  GROUP_AT = HEADER_AT + 4,
  COMMAND_AT = HEADER_AT + 7,

  OP_MASK = 7,
  OP_READ = 0,
  OP_WRITE = 2,
  VERSION_SHIFT = 3,
  VERSION_MASK = 3,
  VERSION_2 = 1, /* what the header calls the second, the newest that is served */

  CRC_BYTES = 2
};

static const server_command commands[] = {
    {TINYOPS_SMP_GROUP_OS, TINYOPS_SMP_OS_ECHO, server_echo, server_echo},
    {TINYOPS_SMP_GROUP_OS, TINYOPS_SMP_OS_RESET, 0, server_reset},
    {TINYOPS_SMP_GROUP_OS, TINYOPS_SMP_OS_PARAMETERS, server_parameters, 0},
    {TINYOPS_SMP_GROUP_OS, TINYOPS_SMP_OS_INFO, server_os_info, 0},
    {TINYOPS_SMP_GROUP_IMAGE, TINYOPS_SMP_IMAGE_STATE, server_images, server_set_image},
    {TINYOPS_SMP_GROUP_IMAGE, TINYOPS_SMP_IMAGE_UPLOAD, 0, server_upload},
    {TINYOPS_SMP_GROUP_IMAGE, TINYOPS_SMP_IMAGE_ERASE, 0, server_erase_image},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_INFO, server_info, 0},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_HEALTH, server_health, 0},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_SELF_TEST, 0, server_self_test},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_SETTINGS, server_read_settings, server_write_settings},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_BENCH, 0, server_bench},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_CRASH, server_read_crash, server_clear_crash},
    {TINYOPS_SMP_GROUP, TINYOPS_SMP_UPDATE, server_update, server_end_trial},
};

uint32_t server_get16(const uint8_t *bytes) { return (uint32_t)bytes[0] << 8 | bytes[1]; }

void server_put16(uint8_t *bytes, uint32_t value) {
  bytes[0] = (uint8_t)(value >> 8);
  bytes[1] = (uint8_t)value;
}

int32_t server_find(const exchange *asked, const char *key, uint32_t type, cbor_item *item) {
  const int32_t found = cbor_find(asked->body, asked->body_bytes, key, item);
  if (found < 0 || (found > 0 && item->type != type)) {
    return -TINYOPS_SMP_ERR_INVALID;
  }
  return found;
}

int32_t server_say_nothing(const exchange *asked) {
  cbor_put_open_map(asked->out);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

void tinyops_smp_open(tinyops_smp *smp, const tinyops_smp_board *board, tinyops_smp_link link,
                      uint8_t *buffer, uint32_t buffer_bytes) {
  *smp = (tinyops_smp){
      .board = board, .buffer = buffer, .buffer_bytes = buffer_bytes, .link = (uint8_t)link};
}

static uint32_t version_of(const uint8_t *header) {
  return header[OP_AT] >> VERSION_SHIFT & VERSION_MASK;
}

static int32_t handle(const exchange *asked, int32_t writes) {
  const uint8_t *header = asked->smp->buffer;
  if (version_of(header) > VERSION_2) {
    return MGMT_TOO_NEW;
  }
  for (uint32_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
    const server_command *command = &commands[i];
    if (command->group == server_get16(header + GROUP_AT) &&
        command->command == header[COMMAND_AT]) {
      const server_handler handler = writes != 0 ? command->write : command->read;
      return handler != 0 ? handler(asked) : MGMT_UNSUPPORTED;
    }
  }
  return MGMT_UNSUPPORTED;
}

/* Writes the body of an answer that refuses. Our refusals have MCUmgr's numbers, which version 1
 * has nothing else but. */
static void refuse(const exchange *asked, int32_t status) {
  cbor_writer *out = asked->out;
  const uint8_t *header = asked->smp->buffer;
  const int32_t names_group = status < 0 && version_of(header) != 0;
  cbor_put_open_map(out);
  if (names_group != 0) {
    cbor_put_text(out, "err");
    cbor_put_open_map(out);
    cbor_entry_uint(out, "group", server_get16(header + GROUP_AT));
  }
  cbor_entry_uint(out, "rc", (uint32_t)(status < 0 ? -status : status));
  if (names_group != 0) {
    cbor_put_end(out);
  }
  cbor_put_end(out);
}

/* Fills in the body of the answer, a refusal unless `status` is 0. Returns its bytes. */
static uint32_t answer(tinyops_smp *smp, int32_t writes, uint32_t body_bytes, int32_t status) {
  uint8_t *const body = smp->buffer + BODY_AT;
  cbor_writer out = {body, smp->buffer + smp->buffer_bytes - CRC_BYTES, 0};
  const exchange asked = {smp, body, body_bytes, &out};
  if (status == MGMT_OK) {
    status = handle(&asked, writes);
  }
  if (status == MGMT_OK && out.full != 0) {
    status = MGMT_SIZE;
  }
  if (status != MGMT_OK) {
    out.at = body;
    out.full = 0;
    refuse(&asked, status);
  }
  return (uint32_t)(out.at - body);
}

/* Puts the answer in place of the request of `count` bytes, whose body may have been left out where
 * `status` refuses it. Returns its bytes, or 0 for what is no request. */
static uint32_t respond(tinyops_smp *smp, uint32_t count, int32_t status) {
  uint8_t *buffer = smp->buffer;
  const uint32_t op = buffer[OP_AT] & OP_MASK;
  const uint32_t body_bytes = server_get16(buffer + LENGTH_AT);
  if ((op != OP_READ && op != OP_WRITE) || HEADER_BYTES + body_bytes != count) {
    smp->bad_messages++;
    return 0;
  }
  const uint32_t bytes = answer(smp, op == OP_WRITE, body_bytes, status);
  const uint32_t version = version_of(buffer) < VERSION_2 ? version_of(buffer) : VERSION_2;
  buffer[OP_AT] =
      (uint8_t)(version << VERSION_SHIFT | (op + 1)); /* an answer's op follows its request's */
  buffer[FLAGS_AT] = 0;
  server_put16(buffer + LENGTH_AT, bytes);
  return HEADER_BYTES + bytes;
}

static void reset_if_asked(tinyops_smp *smp) {
  const tinyops_smp_board *board = smp->board;
  if (smp->resetting != 0) {
    smp->resetting = 0;
    if (board->image_calls != 0 && board->image_calls->prepare_reset != 0) {
      board->image_calls->prepare_reset(board->images);
    }
    board->reset(board->context);
  }
}

void tinyops_smp_serve(tinyops_smp *smp) {
  smp->length = 0;
  const uint32_t bytes = respond(smp, server_get16(smp->buffer) - CRC_BYTES, MGMT_OK);
  if (bytes > 0) {
    server_send(smp, bytes);
    reset_if_asked(smp);
  }
}

void tinyops_smp_datagram(tinyops_smp *smp, const uint8_t *bytes, uint32_t count,
                          tinyops_smp_send send, void *to) {
  if (count < HEADER_BYTES) {
    smp->bad_messages++;
    return;
  }
  const int32_t fits = count <= smp->buffer_bytes - HEADER_AT - CRC_BYTES;
  const uint32_t kept = fits ? count : HEADER_BYTES;
  for (uint32_t i = 0; i < kept; i++) {
    smp->buffer[HEADER_AT + i] = bytes[i];
  }
  const uint32_t answered = respond(smp, count, fits ? MGMT_OK : MGMT_SIZE);
  if (answered > 0) {
    send(to, smp->buffer + HEADER_AT, answered);
    reset_if_asked(smp);
  }
}
