/* Lines of MCUmgr's console: in byte by byte, decoded in place; out three bytes at a time.
 *
 *   IDLE   -06-> FIRST  -09-> LINE (a new message)
 *   IDLE   -04-> NEXT   -14-> LINE (goes on with one), or SKIP when none is under way
 *   LINE   -newline-> IDLE, and a message when it is whole
 *   LINE   -anything that is no base64-> SKIP, and the message is dropped
 *   SKIP   -newline-> IDLE
 *
 * 06 in LINE or SKIP begins a line: the one before was cut short. */
#include "server.h"

enum {
  IDLE = 0,
  FIRST,
  NEXT,
  LINE,
  SKIP,

  BEGIN_0 = 0x06,
  BEGIN_1 = 0x09,
  GO_ON_0 = 0x04,
  GO_ON_1 = 0x14,
  NO_DIGIT = -1,

  LENGTH_BYTES = 2,
  CRC_BYTES = 2,
  OVERHEAD = LENGTH_BYTES + CRC_BYTES,
  DIGITS_MAX = (TINYOPS_SMP_LINE_MAX - 3) / 4 * 4 /* of base64 in a line that is sent */
};

/* CRC-16/XMODEM. */
static uint32_t crc16(const uint8_t *bytes, uint32_t count) {
  uint32_t crc = 0;
  for (uint32_t i = 0; i < count; i++) {
    crc ^= (uint32_t)bytes[i] << 8;
    for (uint32_t bit = 0; bit < 8; bit++) {
      crc = (crc & 0x8000u) != 0 ? (crc << 1) ^ 0x1021u : crc << 1;
    }
  }
  return crc & 0xffffu;
}

static void drop(tinyops_smp *smp) {
  smp->bad_messages += smp->length > 0;
  smp->length = 0;
}

/* The digits' values are 0 to 25 for capitals, then small letters, numerals, + and / (RFC 4648,
 * 4). Computed: at a million baud a small core has no time to search a table. */
enum { SMALL = 26, NUMERALS = 52, PLUS = 62, SLASH = 63 };

static int32_t digit_of(uint8_t c) {
  const uint32_t capital = (uint32_t)c - 'A';
  const uint32_t small = (uint32_t)c - 'a';
  const uint32_t numeral = (uint32_t)c - '0';
  if (capital < SMALL) {
    return (int32_t)capital;
  }
  if (small < NUMERALS - SMALL) {
    return (int32_t)small + SMALL;
  }
  if (numeral < PLUS - NUMERALS) {
    return (int32_t)numeral + NUMERALS;
  }
  return c == '+' ? PLUS : c == '/' ? SLASH : NO_DIGIT;
}

static void spoil(tinyops_smp *smp) {
  smp->bad_messages += smp->length == 0; /* else drop counts it */
  drop(smp);
  smp->state = SKIP;
}

static void take_digit(tinyops_smp *smp, uint8_t byte) {
  const int32_t digit = digit_of(byte);
  if (byte == '=') {
    smp->padded = 1;
    return;
  }
  if (digit == NO_DIGIT || smp->padded != 0) {
    spoil(smp);
    return;
  }
  smp->bits = smp->bits << 6 | (uint32_t)digit;
  smp->bit_count = (uint8_t)(smp->bit_count + 6);
  if (smp->bit_count < 8) {
    return;
  }
  smp->bit_count = (uint8_t)(smp->bit_count - 8);
  if (smp->length == smp->buffer_bytes) {
    spoil(smp);
    return;
  }
  smp->buffer[smp->length++] = (uint8_t)(smp->bits >> smp->bit_count);
}

/* At a newline: 1 when the message is whole and undamaged. */
static int32_t end_line(tinyops_smp *smp) {
  smp->state = IDLE;
  const uint32_t wanted =
      smp->length < LENGTH_BYTES ? UINT32_MAX : LENGTH_BYTES + server_get16(smp->buffer);
  if (smp->length < wanted && wanted <= smp->buffer_bytes) {
    return 0;
  }
  if (smp->length < LENGTH_BYTES) {
    return 0;
  }
  const uint32_t message = wanted - OVERHEAD;
  const int32_t whole =
      smp->length == wanted && wanted >= OVERHEAD + HEADER_BYTES &&
      server_get16(smp->buffer + wanted - CRC_BYTES) == crc16(smp->buffer + LENGTH_BYTES, message);
  if (whole == 0) {
    drop(smp);
  }
  return whole;
}

static void begin_line(tinyops_smp *smp, uint32_t state) {
  smp->state = (uint8_t)state;
  smp->bits = 0;
  smp->bit_count = 0;
  smp->padded = 0;
}

/* Between lines, and at the second byte of one. */
static void find_line(tinyops_smp *smp, uint8_t byte) {
  if (smp->state == FIRST && byte == BEGIN_1) {
    drop(smp);
    begin_line(smp, LINE);
  } else if (smp->state == NEXT && byte == GO_ON_1) {
    begin_line(smp, smp->length > 0 ? LINE : SKIP);
  } else if (byte == BEGIN_0) {
    smp->state = FIRST;
  } else {
    smp->state = byte == GO_ON_0 ? NEXT : IDLE;
  }
}

int32_t tinyops_smp_feed(tinyops_smp *smp, uint8_t byte) {
  if (smp->state < LINE) {
    find_line(smp, byte);
    return 0;
  }
  if (byte == '\n') {
    const int32_t skipped = smp->state == SKIP;
    smp->state = IDLE;
    return skipped ? 0 : end_line(smp);
  }
  if (byte == BEGIN_0) {
    drop(smp);
    smp->state = FIRST;
  } else if (smp->state == LINE && byte != '\r') {
    take_digit(smp, byte);
  }
  return 0;
}

void tinyops_smp_break(tinyops_smp *smp) {
  if (smp->state >= LINE) {
    drop(smp);
  }
  smp->state = IDLE;
}

static uint8_t letter_of(uint32_t digit) {
  digit &= SLASH;
  if (digit < SMALL) {
    return (uint8_t)(digit + 'A');
  }
  if (digit < NUMERALS) {
    return (uint8_t)(digit + 'a' - SMALL);
  }
  if (digit < PLUS) {
    return (uint8_t)(digit + '0' - NUMERALS);
  }
  return digit == PLUS ? '+' : '/';
}

/* Sends `count` of 1 to 3 bytes as four letters. */
static void send_letters(const tinyops_smp_board *board, const uint8_t *bytes, uint32_t count) {
  uint8_t letters[4];
  uint32_t bits = 0;
  for (uint32_t i = 0; i < 3; i++) {
    bits = bits << 8 | (i < count ? bytes[i] : 0u);
  }
  for (uint32_t i = 0; i < 4; i++) {
    letters[i] = i <= count ? letter_of(bits >> (18 - 6 * i)) : (uint8_t)'=';
  }
  board->write(board->context, letters, 4);
}

void server_send(tinyops_smp *smp, uint32_t message) {
  static const uint8_t marks[] = {BEGIN_0, BEGIN_1, GO_ON_0, GO_ON_1, '\n'};
  const tinyops_smp_board *board = smp->board;
  server_put16(smp->buffer, message + CRC_BYTES);
  server_put16(smp->buffer + LENGTH_BYTES + message, crc16(smp->buffer + LENGTH_BYTES, message));
  const uint32_t total = message + OVERHEAD;
  uint32_t in_line = 0;
  for (uint32_t at = 0; at < total; at += 3) {
    if (in_line == 0) {
      board->write(board->context, at == 0 ? marks : marks + 2, 2);
    }
    send_letters(board, smp->buffer + at, total - at < 3 ? total - at : 3);
    in_line += 4;
    if (in_line == DIGITS_MAX || at + 3 >= total) {
      board->write(board->context, marks + 4, 1);
      in_line = 0;
    }
  }
}
