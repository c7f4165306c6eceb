#include "stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <termios.h>
#include <unistd.h>

#include "machine.h"
#include "tinyops/port.h"

enum { PATIENCE_MS = 300, RETRY_US = 500000, SILENT_US = 5000000, DEFAULT_BAUD = 115200 };
enum { DEAD_S = 6, CHECK_S = 2 }; /* the same as tinyops/link/streams: kind.py, sockets.py */

static speed_t speed_of(uint32_t baud) {
  static const struct {
    uint32_t baud;
    speed_t speed;
  } known[] = {{9600, B9600},     {19200, B19200},   {38400, B38400},
               {57600, B57600},   {115200, B115200}, {230400, B230400},
               {460800, B460800}, {921600, B921600}, {1000000, B1000000}};
  for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
    if (known[i].baud == baud) {
      return known[i].speed;
    }
  }
  return B0;
}

static void forget(stream *self) {
  if (self->in >= 0 && self->kind != STREAM_STANDARD) {
    (void)close(self->in);
  }
  self->in = self->out = -1;
  self->received_bytes = self->taken = self->held = 0;
  self->inside = self->stalled = 0;
}

/* -- opening -- */

static int open_serial(const stream *self) {
  struct termios settings;
  const int file = open(self->place, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (file < 0 || tcgetattr(file, &settings) != 0) {
    return file; /* no terminal: a pipe with a name does as well */
  }
  cfmakeraw(&settings);
  settings.c_cflag |= CLOCAL | CREAD;
  settings.c_cflag &= ~(tcflag_t)CRTSCTS;
  (void)cfsetspeed(&settings, speed_of(self->baud));
  (void)tcsetattr(file, TCSANOW, &settings);
  return file;
}

/* A peer whose machine answers nothing any more is gone within DEAD_S: the system asks it while
 * nothing is sent, and waits no longer for what it was sent. Else both took many minutes. */
static void notice_death(int file) {
  const int yes = 1, check_s = CHECK_S, times = DEAD_S / CHECK_S - 1, dead_ms = DEAD_S * 1000;
  (void)setsockopt(file, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
  (void)setsockopt(file, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof(yes));
  (void)setsockopt(file, IPPROTO_TCP, TCP_KEEPIDLE, &check_s, sizeof(check_s));
  (void)setsockopt(file, IPPROTO_TCP, TCP_KEEPINTVL, &check_s, sizeof(check_s));
  (void)setsockopt(file, IPPROTO_TCP, TCP_KEEPCNT, &times, sizeof(times));
  (void)setsockopt(file, IPPROTO_TCP, TCP_USER_TIMEOUT, &dead_ms, sizeof(dead_ms));
}

/* A socket at, or to, the place. */
static int open_socket(stream *self, int listens) {
  const int yes = 1, datagrams = self->kind == STREAM_UDP || self->kind == STREAM_UDP_LISTEN;
  const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                 .ai_socktype = datagrams ? SOCK_DGRAM : SOCK_STREAM,
                                 .ai_flags = listens ? AI_PASSIVE : 0};
  struct addrinfo *found = NULL;
  if (getaddrinfo(self->place, self->port, &hints, &found) != 0 || found == NULL) {
    return -1;
  }
  int file = socket(found->ai_family, found->ai_socktype | SOCK_CLOEXEC, 0);
  if (file >= 0) {
    machine_never_block(file);
    (void)setsockopt(file, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
    const int done = listens ? bind(file, found->ai_addr, found->ai_addrlen)
                             : connect(file, found->ai_addr, found->ai_addrlen);
    if (done != 0 && !(errno == EINPROGRESS && !listens)) {
      (void)close(file);
      file = -1;
    }
  }
  freeaddrinfo(found);
  if (file >= 0 && !datagrams) {
    notice_death(file);
  }
  return file;
}

/* Takes whoever waits in the system's queue. */
static void accept_one(stream *self, uint64_t now_us) {
  const int file = machine_accept(self->listening);
  if (file >= 0) {
    notice_death(file);
    forget(self); /* who was there was silent */
    self->in = self->out = file;
    self->heard_us = now_us;
  }
}

/* Tries to be open. */
static void open_again(stream *self, uint64_t now_us) {
  switch (self->kind) {
    case STREAM_TCP_LISTEN:
      accept_one(self, now_us);
      break;
    case STREAM_TCP:
    case STREAM_UDP:
      self->in = self->out = open_socket(self, 0);
      break;
    case STREAM_SERIAL:
      self->in = self->out = open_serial(self);
      break;
    default:
      break;
  }
}

static const char *listen_there(stream *self) {
  const int file = open_socket(self, 1);
  if (file < 0 || (self->kind == STREAM_TCP_LISTEN && listen(file, 1) != 0)) {
    return "cannot listen there";
  }
  if (self->kind == STREAM_TCP_LISTEN) {
    self->listening = file;
  } else {
    self->in = self->out = file;
  }
  return NULL;
}

/* HOST:PORT, or [HOST]:PORT. */
static const char *take_place(stream *self, const char *text) {
  const char *colon = strrchr(text, ':');
  const size_t bracket = text[0] == '[';
  if (colon == NULL || colon[1] == 0 || strlen(colon + 1) >= sizeof(self->port)) {
    return "not HOST:PORT";
  }
  const size_t outer = (size_t)(colon - text);
  if (outer <= 2 * bracket || outer >= sizeof(self->place) || (bracket != 0 && colon[-1] != ']')) {
    return "not HOST:PORT";
  }
  const size_t length = outer - 2 * bracket;
  memcpy(self->place, text + bracket, length);
  self->place[length] = 0;
  memcpy(self->port, colon + 1, strlen(colon + 1) + 1);
  return NULL;
}

static const char *take_device(stream *self, const char *text) {
  const char *at = strrchr(text, '@');
  const size_t length = at != NULL ? (size_t)(at - text) : strlen(text);
  if (length == 0 || length >= sizeof(self->place)) {
    return "not the path of a serial device";
  }
  memcpy(self->place, text, length);
  self->place[length] = 0;
  self->baud = at != NULL ? (uint32_t)strtoul(at + 1, NULL, 10) : DEFAULT_BAUD;
  self->kind = STREAM_SERIAL;
  return speed_of(self->baud) == B0 ? "no baud rate that serial devices know" : NULL;
}

static const char *take_spec(stream *self, const char *spec) {
  static const struct {
    const char *begins;
    stream_kind kind;
  } kinds[] = {{"tcp-listen:", STREAM_TCP_LISTEN},
               {"udp-listen:", STREAM_UDP_LISTEN},
               {"tcp:", STREAM_TCP},
               {"udp:", STREAM_UDP}};
  for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
    const size_t length = strlen(kinds[i].begins);
    if (strncmp(spec, kinds[i].begins, length) == 0) {
      self->kind = kinds[i].kind;
      return take_place(self, spec + length);
    }
  }
  return take_device(self, spec);
}

const char *stream_open(stream *self, const char *spec) {
  *self = (stream){.in = -1, .out = -1, .listening = -1, .patience_ms = PATIENCE_MS};
  if (strcmp(spec, "std") == 0) {
    self->in = STDIN_FILENO;
    self->out = STDOUT_FILENO;
    machine_never_block(self->in);
    return NULL;
  }
  if (strncmp(spec, "fd:", 3) == 0) {
    self->kind = STREAM_FILE;
    self->in = self->out = atoi(spec + 3);
    return fcntl(self->in, F_GETFD) < 0 ? "not open" : (machine_never_block(self->in), NULL);
  }
  const char *wrong = take_spec(self, spec);
  if (wrong == NULL && (self->kind == STREAM_TCP_LISTEN || self->kind == STREAM_UDP_LISTEN)) {
    wrong = listen_there(self);
  }
  return wrong;
}

/* -- reading -- */

static ssize_t receive(stream *self) {
  if (self->kind != STREAM_UDP_LISTEN) {
    return read(self->in, self->received, sizeof(self->received));
  }
  struct sockaddr_storage from;
  socklen_t length = sizeof(from);
  const ssize_t got = recvfrom(self->in, self->received, sizeof(self->received), 0,
                               (struct sockaddr *)&from, &length);
  if (got > 0) {
    self->peer = from;
    self->peer_bytes = length;
  }
  return got;
}

static void fill(stream *self) {
  errno = EAGAIN;
  const ssize_t got = receive(self);
  const int datagrams = self->kind == STREAM_UDP || self->kind == STREAM_UDP_LISTEN;
  self->taken = 0;
  self->received_bytes = got > 0 ? (size_t)got : 0;
  if (got > 0 || datagrams || (got < 0 && (errno == EAGAIN || errno == EINTR))) {
    return; /* datagrams have no end, and their errors pass */
  }
  if (self->kind == STREAM_STANDARD) {
    exit(0);
  }
  forget(self);
}

/* Whether it is to be opened, or its place given to whoever waits for it: a peer that has said
 * nothing for long keeps nobody out. Parts tell their state once a second. */
static int wants_opening(const stream *self, uint64_t now_us) {
  if (self->kind == STREAM_TCP_LISTEN) {
    return self->in < 0 || now_us - self->heard_us >= SILENT_US;
  }
  return self->in < 0 && (self->tried_us == 0 || now_us - self->tried_us >= RETRY_US);
}

int32_t stream_read_byte(stream *self, uint64_t now_us) {
  if (wants_opening(self, now_us)) {
    self->tried_us = now_us;
    open_again(self, now_us);
  }
  if (self->in >= 0 && self->taken == self->received_bytes) {
    fill(self);
    if (self->received_bytes > 0) {
      self->heard_us = now_us;
    }
  }
  return self->taken < self->received_bytes ? self->received[self->taken++] : TINYOPS_PORT_NO_BYTE;
}

/* -- writing -- */

/* Whether bytes can be sent, within so many milliseconds. */
static int takes(const stream *self, int ms) {
  struct pollfd wait = {.fd = self->out, .events = POLLOUT};
  return poll(&wait, 1, ms) > 0 && (wait.revents & POLLOUT) != 0;
}

/* How many of the bytes were sent: fewer when nobody takes them. Standard output may be shared, and
 * so is never made not to block: it is asked before. */
static size_t send_some(stream *self, const uint8_t *bytes, size_t count, int ms) {
  size_t sent = 0;
  while (sent < count && self->out >= 0 && (self->kind != STREAM_STANDARD || takes(self, ms))) {
    const ssize_t got = write(self->out, bytes + sent, count - sent);
    if (got > 0) {
      sent += (size_t)got;
    } else if (got < 0 && errno != EAGAIN && errno != EINTR) {
      if (self->kind == STREAM_STANDARD) {
        exit(0);
      }
      forget(self);
    } else if (!takes(self, ms)) {
      break;
    }
  }
  return sent;
}

static int ends_unit(uint8_t byte) { return byte == 0 || byte == '\n'; }

/* Of a stream that nobody took from: how many bytes to drop still. Frames and lines are torn where
 * it stopped, so it goes on where one begins, behind a 0x00 that ends whatever was torn. */
static size_t resume(stream *self, const uint8_t *bytes, size_t count) {
  static const uint8_t torn = 0;
  for (size_t at = 0; at < count; at++) {
    const int begins = self->unit_ended;
    self->unit_ended = ends_unit(bytes[at]);
    if (begins && send_some(self, &torn, 1, 0) == 1) {
      self->stalled = 0;
      return at;
    }
  }
  return count;
}

/* Whoever takes nothing is waited for once, not for each write: a frame is many, and what else
 * this program does must go on. */
static void write_all(stream *self, const uint8_t *bytes, size_t count) {
  const size_t dropped = self->stalled ? resume(self, bytes, count) : 0;
  if (count == dropped || self->out < 0) {
    return;
  }
  const size_t sent = send_some(self, bytes + dropped, count - dropped, self->patience_ms);
  self->stalled = self->out >= 0 && sent < count - dropped;
  self->unit_ended = ends_unit(bytes[count - 1]);
}

static void send_datagram(stream *self) {
  if (self->kind == STREAM_UDP_LISTEN && self->peer_bytes > 0) {
    (void)sendto(self->out, self->datagram, self->held, 0, (const struct sockaddr *)&self->peer,
                 self->peer_bytes);
  } else if (self->kind == STREAM_UDP && self->out >= 0) {
    (void)send(self->out, self->datagram, self->held, 0);
  }
  self->held = 0;
}

/* A frame ends with 0x00, and mostly begins with one. */
static void write_datagrams(stream *self, const uint8_t *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) {
    const int ends = bytes[i] == 0 && self->inside;
    self->inside = bytes[i] != 0;
    self->datagram[self->held++] = bytes[i];
    if (ends || self->held == sizeof(self->datagram)) {
      send_datagram(self);
    }
  }
}

void stream_write(stream *self, const uint8_t *bytes, size_t count) {
  if (self->kind == STREAM_UDP || self->kind == STREAM_UDP_LISTEN) {
    write_datagrams(self, bytes, count);
  } else {
    write_all(self, bytes, count);
  }
}

int stream_wait(const stream *self) { return self->in >= 0 ? self->in : self->listening; }
