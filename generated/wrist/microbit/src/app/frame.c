/* Frames on a line of bytes: COBS (Cheshire and Baker, 1999) and CRC-16/CCITT-FALSE; see
 * tinyops/link. */
#include "tinyops/app.h"
#include "tinyops/crc32.h"
#include "tinyops/little_endian.h"

enum { CRC_BYTES = 2, HEAD_BYTES = 2, RUN_MAX = 254, NO_ZERO_AFTER = 0xff };

static uint16_t crc16(const uint8_t *bytes, uint32_t count) {
  uint32_t crc = TINYOPS_LINK_CRC_START;
  for (uint32_t i = 0; i < count; i++) {
    crc ^= (uint32_t)bytes[i] << 8;
    for (uint32_t bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000u) != 0 ? (crc << 1) ^ 0x1021u : crc << 1;
    }
  }
  return (uint16_t)crc;
}

uint32_t tinyops_app_crc32(const uint8_t *bytes, uint32_t count) {
  return ~tinyops_crc32_more(TINYOPS_CRC32_START, bytes, count);
}

static void keep(tinyops_app_decoder *decoder, uint8_t byte) {
  if (decoder->length == sizeof(decoder->frame)) {
    decoder->damaged = 1;
    return;
  }
  decoder->frame[decoder->length++] = byte;
}

/* At a delimiter: the length of the frame without its CRC, or 0. */
static uint32_t finish(tinyops_app_decoder *decoder) {
  uint32_t length = decoder->length;
  int32_t whole = decoder->run == 0 && decoder->damaged == 0 && length >= HEAD_BYTES + CRC_BYTES;
  if (whole != 0) {
    length -= CRC_BYTES;
    const uint8_t *crc = decoder->frame + length;
    whole = (crc[0] | (uint32_t)crc[1] << 8) == crc16(decoder->frame, length);
  }
  if (whole == 0 && decoder->code != 0) {
    decoder->bad_frames++;
  }
  decoder->length = 0;
  decoder->run = 0;
  decoder->code = 0;
  decoder->damaged = 0;
  return whole != 0 ? length : 0;
}

uint32_t tinyops_app_decode(tinyops_app_decoder *decoder, uint8_t byte) {
  if (byte == 0) {
    return finish(decoder);
  }
  if (decoder->run > 0) {
    decoder->run--;
    keep(decoder, byte);
    return 0;
  }
  if (decoder->code != 0 && decoder->code != NO_ZERO_AFTER) {
    keep(decoder, 0);
  }
  decoder->code = byte;
  decoder->run = (uint8_t)(byte - 1);
  return 0;
}

/* The length of the run at `bytes`: up to the first zero, at most RUN_MAX. */
static uint32_t run_length(const uint8_t *bytes, uint32_t count) {
  uint32_t run = 0;
  while (run < count && run < RUN_MAX && bytes[run] != 0) {
    run++;
  }
  return run;
}

void tinyops_app_send(const tinyops_port *port, uint8_t *frame, uint32_t length) {
  static const uint8_t delimiter = 0;
  uint16_t crc = crc16(frame, length);
  frame[length++] = (uint8_t)crc;
  frame[length++] = (uint8_t)(crc >> 8);
  port->write(port->context, &delimiter, 1);
  uint32_t at = 0;
  for (;;) {
    uint32_t run = run_length(frame + at, length - at);
    uint8_t code = (uint8_t)(run + 1);
    port->write(port->context, &code, 1);
    port->write(port->context, frame + at, run);
    at += run;
    if (run == RUN_MAX) {
      continue;
    }
    if (at == length) {
      break;
    }
    at++; /* the zero that the next code byte stands for */
  }
  port->write(port->context, &delimiter, 1);
}

void tinyops_app_send_fault(const tinyops_port *port, uint32_t pc, uint32_t lr, uint32_t psr) {
  uint8_t frame[HEAD_BYTES + TINYOPS_LINK_FAULT_REPLY_SIZE + CRC_BYTES];
  frame[0] = TINYOPS_LINK_FAULT;
  frame[1] = 0;
  tinyops_put32(frame + HEAD_BYTES + TINYOPS_LINK_FAULT_REPLY_PC_AT, pc);
  tinyops_put32(frame + HEAD_BYTES + TINYOPS_LINK_FAULT_REPLY_LR_AT, lr);
  tinyops_put32(frame + HEAD_BYTES + TINYOPS_LINK_FAULT_REPLY_PSR_AT, psr);
  tinyops_app_send(port, frame, HEAD_BYTES + TINYOPS_LINK_FAULT_REPLY_SIZE);
}
