/* How the device is reached: its line, datagrams, a stream of messages; and its sensor. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "device.h"

enum { IDLE_MS = 20, HEADER_BYTES = 8, NONE = -1 };

static struct {
  uint8_t received[4096];
  size_t received_bytes, taken;
  int udp, listening, connection;
  struct sockaddr_in peer;
  tinyops_smp datagrams, stream;
  uint8_t datagram[MESSAGE_ROOM], message[MESSAGE_ROOM], streamed[MESSAGE_ROOM];
  uint8_t datagram_buffer[MESSAGE_ROOM], stream_buffer[MESSAGE_ROOM];
  uint32_t streamed_bytes;
  uint32_t frames; /* taken from the sensor, or missed */
  uint32_t missed;
  uint64_t sensing_us;
} links = {.udp = NONE, .listening = NONE, .connection = NONE};

int32_t links_read_byte(void *context) {
  (void)context;
  if (self.options.line == NONE) {
    return TINYOPS_PORT_NO_BYTE;
  }
  if (links.taken == links.received_bytes) {
    struct pollfd wait = {.fd = self.options.line, .events = POLLIN};
    links.taken = links.received_bytes = 0;
    if (poll(&wait, 1, 0) <= 0) {
      return TINYOPS_PORT_NO_BYTE;
    }
    const ssize_t got = read(self.options.line, links.received, sizeof(links.received));
    if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR && errno != EIO)) {
      exit(0);
    }
    links.received_bytes = got > 0 ? (size_t)got : 0;
  }
  return links.taken < links.received_bytes ? links.received[links.taken++] : TINYOPS_PORT_NO_BYTE;
}

static void write_all(int file, const uint8_t *bytes, uint32_t count) {
  while (count > 0) {
    const ssize_t sent = write(file, bytes, count);
    if (sent < 0 && errno != EINTR && errno != EAGAIN) {
      return;
    }
    bytes += sent > 0 ? sent : 0;
    count -= sent > 0 ? (uint32_t)sent : 0;
  }
}

void links_write(void *context, const uint8_t *bytes, uint32_t count) {
  (void)context;
  if (self.options.line != NONE) {
    write_all(self.options.line, bytes, count);
  }
}

void links_idle(void *context) {
  (void)context;
  struct pollfd wait[] = {{.fd = self.options.line, .events = POLLIN},
                          {.fd = links.udp, .events = POLLIN},
                          {.fd = links.listening, .events = POLLIN},
                          {.fd = links.connection, .events = POLLIN}};
  (void)poll(wait, 4, IDLE_MS);
}

static int bind_to(int kind, int port) {
  const struct sockaddr_in place = {.sin_family = AF_INET,
                                    .sin_port = htons((uint16_t)port),
                                    .sin_addr = {htonl(INADDR_LOOPBACK)}};
  const int made = socket(AF_INET, kind | SOCK_NONBLOCK, 0); /* stays open over a reset */
  const int again = 1;
  (void)setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &again, sizeof(again));
  if (made < 0 || bind(made, (const struct sockaddr *)&place, sizeof(place)) != 0 ||
      (kind == SOCK_STREAM && listen(made, 4) != 0)) {
    fail("socket", strerror(errno));
  }
  return made;
}

static int port_of(int file) {
  struct sockaddr_in place = {0};
  socklen_t bytes = sizeof(place);
  return file != NONE && getsockname(file, (struct sockaddr *)&place, &bytes) == 0
             ? ntohs(place.sin_port)
             : 0;
}

/* The sockets that this program had before a reset. */
static int find_again(void) {
  const char *before = getenv("DEVICE_SOCKETS");
  return before != NULL && sscanf(before, "%d:%d", &links.udp, &links.listening) == 2;
}

void links_open(void) {
  char kept[32];
  if (!find_again()) {
    links.udp = self.options.udp != NONE ? bind_to(SOCK_DGRAM, self.options.udp) : NONE;
    links.listening = self.options.tcp != NONE ? bind_to(SOCK_STREAM, self.options.tcp) : NONE;
    (void)snprintf(kept, sizeof(kept), "%d:%d", links.udp, links.listening);
    (void)setenv("DEVICE_SOCKETS", kept, 1);
    (void)printf("ready %d %d\n", port_of(links.udp), port_of(links.listening));
    (void)fflush(stdout);
  }
  tinyops_smp_open(&links.datagrams, &self.management.board, TINYOPS_SMP_REMOTE,
                   links.datagram_buffer, self.options.buffer_bytes);
  tinyops_smp_open(&links.stream, &self.management.board, TINYOPS_SMP_REMOTE, links.stream_buffer,
                   self.options.buffer_bytes);
}

static void answer_datagram(void *to, const uint8_t *bytes, uint32_t count) {
  (void)sendto(links.udp, bytes, count, 0, (const struct sockaddr *)to, sizeof(links.peer));
}

static int32_t poll_datagrams(void) {
  socklen_t bytes = sizeof(links.peer);
  const ssize_t got = links.udp == NONE
                          ? NONE
                          : recvfrom(links.udp, links.datagram, sizeof(links.datagram),
                                     MSG_DONTWAIT, (struct sockaddr *)&links.peer, &bytes);
  if (got < 0) {
    return 0;
  }
  tinyops_smp_datagram(&links.datagrams, links.datagram, (uint32_t)got, answer_datagram,
                       &links.peer);
  return 1;
}

static void hang_up(void) {
  (void)close(links.connection);
  links.connection = NONE;
  links.streamed_bytes = 0;
}

static void answer_stream(void *to, const uint8_t *bytes, uint32_t count) {
  (void)to;
  (void)send(links.connection, bytes, count, MSG_NOSIGNAL);
}

/* Bytes of the message that has begun to come. */
static uint32_t wanted(void) {
  return links.streamed_bytes < HEADER_BYTES
             ? HEADER_BYTES
             : HEADER_BYTES + (uint32_t)links.streamed[2] * 256u + links.streamed[3];
}

static int32_t poll_stream(void) {
  if (links.listening != NONE) {
    const int made = accept4(links.listening, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (made >= 0) {
      if (links.connection != NONE) {
        hang_up();
      }
      links.connection = made;
    }
  }
  if (links.connection == NONE) {
    return 0;
  }
  const uint32_t left = wanted() - links.streamed_bytes;
  if (wanted() > sizeof(links.streamed)) {
    hang_up();
    return 0;
  }
  const ssize_t got =
      recv(links.connection, links.streamed + links.streamed_bytes, left, MSG_DONTWAIT);
  if (got == 0 || (got < 0 && errno != EAGAIN && errno != EINTR)) {
    hang_up();
    return 0;
  }
  links.streamed_bytes += got > 0 ? (uint32_t)got : 0;
  if (links.streamed_bytes >= HEADER_BYTES && links.streamed_bytes == wanted()) {
    const uint32_t count = links.streamed_bytes;
    links.streamed_bytes = 0;
    tinyops_smp_datagram(&links.stream, links.streamed, count, answer_stream, NULL);
  }
  return got > 0;
}

int32_t links_poll(void) { return poll_datagrams() + poll_stream() > 0; }

/* How many frames there have been since the sensor was started. */
static uint32_t frames_so_far(void) {
  return (uint32_t)((now_us() - links.sensing_us) * self.options.rate_millihz / 1000000000u);
}

static int32_t start_sensor(void *context, uint32_t rate_millihz) {
  (void)context;
  (void)rate_millihz;
  links.sensing_us = now_us();
  links.frames = links.missed = 0;
  return 0;
}

static int32_t poll_sensor(void *context, int16_t *values, uint32_t count) {
  (void)context;
  const uint32_t made = frames_so_far();
  if (made > links.frames + SENSOR_FIFO) {
    links.missed += made - links.frames - SENSOR_FIFO;
    links.frames = made - SENSOR_FIFO;
  }
  if (made == links.frames) {
    return 0;
  }
  for (uint32_t i = 0; i < count; i++) {
    values[i] = (int16_t)links.frames;
  }
  links.frames++;
  return 1;
}

static uint32_t missed_frames(void *context) {
  (void)context;
  return links.missed;
}

const tinyops_port_sensor counting_sensor = {
    .start = start_sensor, .poll = poll_sensor, .missed = missed_frames};

void options_read(int count, char **words, device_options *found) {
  *found = (device_options){.board = "desk",
                            .fleet = "wrist",
                            .erase_bytes = 4096,
                            .program_bytes = 4,
                            .buffer_bytes = TINYOPS_SMP_MESSAGE_MAX,
                            .watchdog_ms = 2000,
                            .deltas = 1,
                            .line = NONE,
                            .udp = NONE,
                            .tcp = NONE};
  const struct {
    const char *name;
    const char **text;
    uint32_t *number;
    int *place;
  } known[] = {{"--board", &found->board, 0, 0},
               {"--fleet", &found->fleet, 0, 0},
               {"--buffer", 0, &found->buffer_bytes, 0},
               {"--rate", 0, &found->rate_millihz, 0},
               {"--watchdog", 0, &found->watchdog_ms, 0},
               {"--erase-ms", 0, &found->erase_ms, 0},
               {"--deltas", 0, &found->deltas, 0},
               {"--line", 0, 0, &found->line},
               {"--udp", 0, 0, &found->udp},
               {"--tcp", 0, 0, &found->tcp}};
  for (int at = 0; at + 1 < count; at += 2) {
    size_t i = 0;
    while (i < sizeof(known) / sizeof(known[0]) && strcmp(words[at], known[i].name) != 0) {
      i++;
    }
    if (strcmp(words[at], "--geometry") == 0) {
      if (sscanf(words[at + 1], "%u:%u", &found->erase_bytes, &found->program_bytes) != 2) {
        fail(words[at + 1], "is no geometry");
      }
    } else if (i == sizeof(known) / sizeof(known[0])) {
      fail(words[at], "unknown option");
    } else if (known[i].text != NULL) {
      *known[i].text = words[at + 1];
    } else if (known[i].number != NULL) {
      *known[i].number = (uint32_t)strtoul(words[at + 1], NULL, 10);
    } else {
      *known[i].place = atoi(words[at + 1]);
    }
  }
  if (found->buffer_bytes > MESSAGE_ROOM || found->buffer_bytes < TINYOPS_SMP_BUFFER_MIN) {
    fail("--buffer", "is too large or too small");
  }
}
