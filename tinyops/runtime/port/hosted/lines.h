/* A collector's line on Linux: standard input and output, one host over TCP, or one over UDP. */
#ifndef TINYOPS_PORT_HOSTED_LINES_H
#define TINYOPS_PORT_HOSTED_LINES_H

#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>

typedef enum { LINES_STANDARD = 0, LINES_TCP = 1, LINES_UDP = 2 } lines_kind;

typedef struct {
  lines_kind kind;
  int listening; /* of TCP; else -1 */
  int in, out;   /* -1: nobody is there */
  uint8_t received[4096];
  size_t received_bytes, taken;
  uint8_t datagram[1024]; /* a frame on its way into one */
  size_t held;
  int inside; /* a frame */
  struct sockaddr_in host;
  /* Called while the line takes no more bytes. */
  void (*meanwhile)(void *context);
  void *context;
} lines;

/* Opens the line; `address` and `port` (0: any) are for sockets. Returns null, or what is wrong. */
const char *lines_open(lines *self, lines_kind kind, const char *address, uint16_t port);

/* The port that it listens at; 0 for standard input. */
uint16_t lines_port(const lines *self);

/* One byte, or TINYOPS_PORT_NO_BYTE. Ends the program with the end of standard input. */
int32_t lines_read_byte(lines *self);

/* Sends bytes, or drops them where nobody is there to take them. */
void lines_write(lines *self, const uint8_t *bytes, size_t count);

/* What to wait for, -1: nothing. */
int lines_wait(const lines *self);

#endif
