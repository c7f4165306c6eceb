/* MCUmgr's group of the operating system. */
#include "server.h"

enum { LINE_ROOM = 80 };

int32_t server_echo(const exchange *asked) {
  cbor_item text;
  if (server_find(asked, "d", CBOR_TEXT, &text) <= 0) {
    return MGMT_INVALID;
  }
  /* The text stays where it is or moves towards the front: what stands before it in the answer is
   * no longer than in any request. The end mark may be one byte too many: MGMT_SIZE. */
  cbor_put_open_map(asked->out);
  cbor_put_text(asked->out, "r");
  cbor_put_string(asked->out, CBOR_TEXT, text.bytes, text.value);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

int32_t server_reset(const exchange *asked) {
  if (asked->smp->board->reset == 0) {
    return MGMT_UNSUPPORTED;
  }
  asked->smp->resetting = 1;
  return server_say_nothing(asked);
}

int32_t server_parameters(const exchange *asked) {
  cbor_put_open_map(asked->out);
  cbor_entry_uint(asked->out, "buf_size", asked->smp->buffer_bytes);
  cbor_entry_uint(asked->out, "buf_count", 1);
  cbor_put_end(asked->out);
  return MGMT_OK;
}

int32_t server_describe(const exchange *asked, tinyops_smp_info *info) {
  const tinyops_smp_board *board = asked->smp->board;
  if (board->info == 0) {
    return MGMT_UNSUPPORTED;
  }
  *info = (tinyops_smp_info){0};
  board->info(board->context, info);
  return MGMT_OK;
}

static int32_t wants(const cbor_item *format, char letter) {
  for (uint32_t i = 0; i < format->value; i++) {
    if (format->bytes[i] == 'a' || format->bytes[i] == (uint8_t)letter) {
      return 1;
    }
  }
  return 0;
}

/* As `uname`: kernel name, kernel version, hardware platform; letters that ask for what is not here
 * are passed over. */
int32_t server_os_info(const exchange *asked) {
  tinyops_smp_info info;
  cbor_item format = {CBOR_TEXT, 1, (const uint8_t *)"s"};
  uint8_t line[LINE_ROOM];
  uint32_t length = 0;
  if (server_find(asked, "format", CBOR_TEXT, &format) < 0 ||
      server_describe(asked, &info) != MGMT_OK) {
    return MGMT_INVALID;
  }
  const char *const words[] = {"tinyops", info.version, info.board};
  for (uint32_t i = 0; i < 3; i++) {
    if (wants(&format, "svi"[i]) != 0) {
      for (const char *at = words[i]; *at != 0 && length < LINE_ROOM - 3; at++) {
        line[length++] = (uint8_t)*at;
      }
      line[length++] = ' ';
    }
  }
  cbor_put_open_map(asked->out);
  cbor_put_text(asked->out, "output");
  cbor_put_string(asked->out, CBOR_TEXT, line, length - (length > 0));
  cbor_put_end(asked->out);
  return MGMT_OK;
}
