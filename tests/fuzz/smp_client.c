#include "smp_client.h"

#include <string.h>

#include "input.h"

enum { LINE_MAX = 127, DEPTH_MAX = 8 };

static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static uint32_t crc16(const uint8_t *bytes, uint32_t count) {
  uint32_t crc = 0;
  for (uint32_t i = 0; i < 8u * count; i++) {
    const uint32_t bit = (uint32_t)bytes[i / 8u] >> (7u - i % 8u) & 1u;
    crc = (crc << 1 & 0xffffu) ^ (((crc >> 15) ^ bit) != 0u ? 0x1021u : 0u);
  }
  return crc;
}

static uint32_t put_letters(const uint8_t *bytes, uint32_t count, uint8_t *line) {
  uint32_t at = 0;
  for (uint32_t i = 0; i < count; i += 3u) {
    uint32_t bits = 0;
    for (uint32_t k = 0; k < 3u; k++) {
      bits = bits << 8 | (i + k < count ? bytes[i + k] : 0u);
    }
    for (uint32_t k = 0; k < 4u; k++) {
      line[at++] = i + k > count ? '=' : (uint8_t)letters[bits >> (18u - 6u * k) & 63u];
    }
  }
  return at;
}

uint32_t smp_client_frame(const uint8_t *message, uint32_t count, uint32_t width, uint8_t *line) {
  uint8_t packet[1100];
  const uint32_t crc = crc16(message, count);
  packet[0] = (uint8_t)((count + 2u) >> 8);
  packet[1] = (uint8_t)(count + 2u);
  memcpy(packet + 2, message, count);
  packet[2u + count] = (uint8_t)(crc >> 8);
  packet[3u + count] = (uint8_t)crc;
  const uint32_t step = width / 4u * 3u;
  uint32_t at = 0;
  for (uint32_t i = 0; i < count + 4u; i += step) {
    line[at++] = i == 0u ? 0x06 : 0x04;
    line[at++] = i == 0u ? 0x09 : 0x14;
    const uint32_t piece = count + 4u - i < step ? count + 4u - i : step;
    at += put_letters(packet + i, piece, line + at);
    line[at++] = '\n';
  }
  return at;
}

/* Decodes the base64 of one line. Returns the bytes. */
static uint32_t take_letters(const uint8_t *line, uint32_t count, uint8_t *bytes) {
  FUZZ_CHECK(count % 4u == 0u && count > 0u);
  uint32_t bits = 0;
  uint32_t at = 0;
  uint32_t padding = 0;
  for (uint32_t i = 0; i < count; i++) {
    const char *digit = strchr(letters, line[i]);
    FUZZ_CHECK(line[i] == '=' || (digit != NULL && *digit != 0 && padding == 0u));
    padding += line[i] == '=';
    bits = bits << 6 | (line[i] == '=' ? 0u : (uint32_t)(digit - letters));
    for (uint32_t k = 0; i % 4u == 3u && k < 3u; k++) {
      bytes[at++] = (uint8_t)(bits >> (16u - 8u * k));
    }
  }
  FUZZ_CHECK(padding <= 2u);
  return at - padding;
}

uint32_t smp_client_read(const uint8_t *line, uint32_t count, uint8_t *message) {
  uint8_t packet[SMP_CLIENT_ROOM];
  uint32_t bytes = 0;
  for (uint32_t at = 0; at < count;) {
    const uint8_t *end = memchr(line + at, '\n', count - at);
    FUZZ_CHECK(end != NULL);
    const uint32_t length = (uint32_t)(end - line) - at;
    FUZZ_CHECK(length > 2u && length + 1u <= LINE_MAX);
    FUZZ_CHECK(line[at] == (at == 0u ? 0x06 : 0x04) && line[at + 1u] == (at == 0u ? 0x09 : 0x14));
    bytes += take_letters(line + at + 2, length - 2u, packet + bytes);
    at += length + 1u;
  }
  FUZZ_CHECK(bytes >= 4u + SMP_CLIENT_HEADER);
  const uint32_t length = (uint32_t)packet[0] << 8 | packet[1];
  FUZZ_CHECK(length + 2u == bytes);
  const uint32_t crc = (uint32_t)packet[bytes - 2u] << 8 | packet[bytes - 1u];
  FUZZ_CHECK(crc == crc16(packet + 2, length - 2u));
  memcpy(message, packet + 2, length - 2u);
  const uint32_t body = (uint32_t)message[2] << 8 | message[3];
  FUZZ_CHECK(body + SMP_CLIENT_HEADER == length - 2u);
  FUZZ_CHECK(message[SMP_CLIENT_HEADER] >> 5 == 5);
  FUZZ_CHECK(smp_client_is_cbor(message + SMP_CLIENT_HEADER, body) != 0);
  return length - 2u;
}

/* The number behind a head. Returns its bytes, or -1. */
static int32_t read_number(const uint8_t *bytes, uint32_t count, uint64_t *value) {
  const uint32_t more = bytes[0] & 31u;
  const uint32_t wanted = more < 24u ? 0u : 1u << (more - 24u);
  if (more > 27u || wanted + 1u > count) {
    return -1;
  }
  *value = more;
  for (uint32_t i = 0; i < wanted; i++) {
    *value = (i == 0u ? 0u : *value << 8) | bytes[1u + i];
  }
  return (int32_t)wanted + 1;
}

/* Returns the bytes of the item at the front, or -1. */
static int64_t item_bytes(const uint8_t *bytes, uint32_t count, uint32_t depth) {
  if (count == 0u || depth == DEPTH_MAX) {
    return -1;
  }
  const uint32_t type = bytes[0] >> 5;
  const int32_t is_open = (bytes[0] & 31u) == 31u;
  uint64_t value = UINT64_MAX;
  int64_t at = 1;
  if (is_open && type != 4u && type != 5u) {
    return -1;
  }
  if (!is_open && (at = read_number(bytes, count, &value)) < 0) {
    return -1;
  }
  if (type == 2u || type == 3u) {
    return value <= count - (uint64_t)at ? at + (int64_t)value : -1;
  }
  if (type != 4u && type != 5u) {
    return type == 6u ? -1 : at;
  }
  value = is_open || type == 4u ? value : 2u * value;
  for (uint64_t i = 0; i < value; i++) {
    if (is_open && at < count && bytes[at] == 0xff) {
      return type == 5u && i % 2u != 0u ? -1 : at + 1;
    }
    const int64_t item = item_bytes(bytes + at, count - (uint32_t)at, depth + 1u);
    if (item < 0) {
      return -1;
    }
    at += item;
  }
  return at;
}

int32_t smp_client_is_cbor(const uint8_t *bytes, uint32_t count) {
  return item_bytes(bytes, count, 0) == (int64_t)count;
}
