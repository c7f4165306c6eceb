#include "lines.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "machine.h"
#include "tinyops/port.h"

enum { STALLED_MS = 10000, TURN_MS = 5 };

static const char *open_socket(lines *self, const char *address, uint16_t port) {
  const int type = self->kind == LINES_TCP ? SOCK_STREAM : SOCK_DGRAM, yes = 1;
  struct sockaddr_in here = {.sin_family = AF_INET, .sin_port = htons(port)};
  if (inet_pton(AF_INET, address, &here.sin_addr) != 1) {
    return "not an address such as 127.0.0.1";
  }
  const int file = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  if (file < 0) {
    return strerror(errno);
  }
  (void)setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (bind(file, (struct sockaddr *)&here, sizeof(here)) != 0 ||
      (self->kind == LINES_TCP && listen(file, 1) != 0)) {
    (void)close(file);
    return strerror(errno);
  }
  machine_never_block(file);
  if (self->kind == LINES_TCP) {
    self->listening = file;
  } else {
    self->in = file;
  }
  return NULL;
}

const char *lines_open(lines *self, lines_kind kind, const char *address, uint16_t port) {
  self->kind = kind;
  self->listening = self->in = self->out = -1;
  if (kind != LINES_STANDARD) {
    return open_socket(self, address, port);
  }
  self->in = STDIN_FILENO;
  self->out = STDOUT_FILENO;
  machine_never_block(self->in);
  return NULL;
}

uint16_t lines_port(const lines *self) {
  struct sockaddr_in here = {0};
  socklen_t length = sizeof(here);
  const int file = self->kind == LINES_TCP ? self->listening : self->in;
  if (self->kind == LINES_STANDARD || getsockname(file, (struct sockaddr *)&here, &length) != 0) {
    return 0;
  }
  return ntohs(here.sin_port);
}

static void hang_up(lines *self) {
  if (self->kind == LINES_STANDARD) {
    exit(0);
  }
  if (self->kind == LINES_TCP && self->in >= 0) {
    (void)close(self->in);
    self->in = self->out = -1;
  }
}

/* Who comes next waits until the one that is there has gone. */
static void accept_host(lines *self) { self->in = self->out = machine_accept(self->listening); }

static ssize_t receive(lines *self) {
  socklen_t length = sizeof(self->host);
  if (self->kind != LINES_UDP) {
    return read(self->in, self->received, sizeof(self->received));
  }
  struct sockaddr_in from = {0};
  const ssize_t got = recvfrom(self->in, self->received, sizeof(self->received), 0,
                               (struct sockaddr *)&from, &length);
  if (got > 0) {
    self->host = from;
    self->out = self->in;
  }
  return got == 0 ? -1 : got; /* an empty datagram is no end */
}

int32_t lines_read_byte(lines *self) {
  if (self->in < 0) {
    accept_host(self);
  }
  if (self->in >= 0 && self->taken == self->received_bytes) {
    errno = EAGAIN;
    const ssize_t got = receive(self);
    self->taken = 0;
    self->received_bytes = got > 0 ? (size_t)got : 0;
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && self->kind != LINES_UDP)) {
      hang_up(self);
    }
  }
  return self->taken < self->received_bytes ? self->received[self->taken++] : TINYOPS_PORT_NO_BYTE;
}

/* A host that takes nothing for so long is gone. */
static void write_stream(lines *self, const uint8_t *bytes, size_t count) {
  int waited_ms = 0;
  while (count > 0 && self->out >= 0) {
    struct pollfd wait = {.fd = self->out, .events = POLLOUT};
    if (poll(&wait, 1, TURN_MS) == 0) {
      self->meanwhile(self->context);
      waited_ms += TURN_MS;
      if (waited_ms > STALLED_MS) {
        hang_up(self);
      }
      continue;
    }
    const ssize_t sent = self->kind == LINES_TCP ? send(self->out, bytes, count, MSG_NOSIGNAL)
                                                 : write(self->out, bytes, count);
    if (sent < 0 && errno != EAGAIN && errno != EINTR) {
      hang_up(self);
    } else if (sent > 0) {
      bytes += sent;
      count -= (size_t)sent;
      waited_ms = 0;
    }
  }
}

/* What the network loses leaves a gap in the frames' numbers. */
static void send_datagram(lines *self) {
  if (self->out >= 0) {
    (void)sendto(self->out, self->datagram, self->held, MSG_NOSIGNAL,
                 (const struct sockaddr *)&self->host, sizeof(self->host));
  }
  self->held = 0;
}

/* A frame lies between two 0x00: at the second one, what is held is sent. */
static void write_datagrams(lines *self, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const int ends = bytes[i] == 0 && self->inside;
    self->inside = bytes[i] != 0;
    self->datagram[self->held++] = bytes[i];
    if (ends || self->held == sizeof(self->datagram)) {
      send_datagram(self);
    }
  }
}

void lines_write(lines *self, const uint8_t *bytes, size_t count) {
  if (self->kind == LINES_UDP) {
    write_datagrams(self, bytes, count);
  } else {
    write_stream(self, bytes, count);
  }
}

int lines_wait(const lines *self) { return self->in >= 0 ? self->in : self->listening; }
