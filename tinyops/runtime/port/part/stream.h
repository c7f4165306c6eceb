/* A two-way stream of bytes of a part on Linux: its line, or what leads to the part before.
 *
 *   std                       standard input and output; the program ends with them
 *   fd:NUMBER                 a file that was inherited
 *   tcp:HOST:PORT             connects, again and again
 *   tcp-listen:ADDRESS:PORT   takes one connection after another; who is silent for 5 s gives way
 *   udp:HOST:PORT             a frame a datagram, to and from there
 *   udp-listen:ADDRESS:PORT   the same, to whoever sent last
 *   PATH[@BAUD]               a serial device, opened again when it was gone
 *
 * What cannot be sent because nobody takes it is dropped after a while, and from then on at once
 * until somebody takes again: frames between parts are asked for again. */
#ifndef TINYOPS_PORT_PART_STREAM_H
#define TINYOPS_PORT_PART_STREAM_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

typedef enum {
  STREAM_STANDARD = 0,
  STREAM_FILE,
  STREAM_TCP,
  STREAM_TCP_LISTEN,
  STREAM_UDP,
  STREAM_UDP_LISTEN,
  STREAM_SERIAL
} stream_kind;

typedef struct {
  stream_kind kind;
  char place[256]; /* host, address or path */
  char port[16];
  uint32_t baud;
  int in, out;       /* -1: nobody is there */
  int listening;     /* -1, or where connections come */
  uint64_t tried_us; /* when it was opened last, or could not be */
  uint64_t heard_us; /* when its peer came, or said something last */
  uint8_t received[4096];
  size_t received_bytes, taken;
  uint8_t datagram[1024]; /* a frame on its way into one */
  size_t held;
  int inside;      /* a frame */
  int patience_ms; /* how long to wait for whoever takes nothing */
  int stalled;     /* that was in vain: what is sent is dropped */
  int unit_ended;  /* and the byte before ended a frame or a line */
  struct sockaddr_storage peer;
  socklen_t peer_bytes; /* 0: nobody has sent */
} stream;

/* Takes the spec apart and opens it. Returns null, or what is wrong. A place where nobody answers
 * is not wrong: it is tried again. */
const char *stream_open(stream *self, const char *spec);

/* One byte, or TINYOPS_PORT_NO_BYTE. */
int32_t stream_read_byte(stream *self, uint64_t now_us);

/* Sends bytes, or drops them. */
void stream_write(stream *self, const uint8_t *bytes, size_t count);

/* What to wait for, -1: nothing. */
int stream_wait(const stream *self);

#endif
