/* MCUmgr's group of the operating system. */
#include "server.h"

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
  cbor_put_open_map(asked->out);
  cbor_put_end(asked->out);
  return MGMT_OK;
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

/* Puts a name together from parts: text with a space before all but the first. */
typedef struct {
  uint8_t bytes[80];
  uint32_t length;
} sentence;

static void say(sentence *self, const char *word) {
  if (self->length > 0 && self->length < sizeof(self->bytes)) {
    self->bytes[self->length++] = ' ';
  }
  while (*word != 0 && self->length < sizeof(self->bytes)) {
    self->bytes[self->length++] = (uint8_t)*word++;
  }
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
  sentence line = {.length = 0};
  cbor_item format = {CBOR_TEXT, 1, (const uint8_t *)"s"};
  if (server_find(asked, "format", CBOR_TEXT, &format) < 0 ||
      server_describe(asked, &info) != MGMT_OK) {
    return MGMT_INVALID;
  }
  const char *const words[] = {"tinyops", info.version, info.board};
  for (uint32_t i = 0; i < 3; i++) {
    if (wants(&format, "svi"[i]) != 0) {
      say(&line, words[i]);
    }
  }
  cbor_put_open_map(asked->out);
  cbor_put_text(asked->out, "output");
  cbor_put_string(asked->out, CBOR_TEXT, line.bytes, line.length);
  cbor_put_end(asked->out);
  return MGMT_OK;
}
