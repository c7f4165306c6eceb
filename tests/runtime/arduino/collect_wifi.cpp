/* A collector whose way is Wi-Fi, on the host: the radio is the loopback, the rest is the board's
 * own sources. Says on which ports it listens, a line each, then serves until it is ended. Its
 * sensor has a frame whenever it is asked, a thousand at most. */
#include <WiFi.h>
#include <WiFiUdp.h>
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>

#include "tinyops/collect.h"
#include "way.h"

WiFiClass WiFi;
void WiFiClass::persistent(bool) {}
bool WiFiClass::mode(wifi_mode_t) { return true; }
bool WiFiClass::setAutoReconnect(bool) { return true; }
wl_status_t WiFiClass::begin(const char *ssid, const char *passphrase) {
  std::printf("joins %s with %s\n", ssid, passphrase);
  return WL_CONNECTED;
}

static int open_socket(int type, const char *name) {
  sockaddr_in here = sockaddr_in();
  here.sin_family = AF_INET;
  here.sin_addr.s_addr = htonl(INADDR_LOOPBACK); /* at any port, whatever was asked for */
  socklen_t length = sizeof(here);
  const int file = socket(AF_INET, type | SOCK_NONBLOCK, 0);
  if (bind(file, reinterpret_cast<sockaddr *>(&here), length) != 0 ||
      getsockname(file, reinterpret_cast<sockaddr *>(&here), &length) != 0) {
    std::perror(name);
  }
  std::printf("%s %u\n", name, ntohs(here.sin_port));
  std::fflush(stdout);
  return file;
}

static int listening = -1;
WiFiServer::WiFiServer(uint16_t port) : port_(port) {}
void WiFiServer::begin() {
  std::printf("asked for %u\n", port_);
  listening = open_socket(SOCK_STREAM, "tcp");
  (void)listen(listening, 4);
}
WiFiClient WiFiServer::accept() {
  WiFiClient client;
  client.socket_ = ::accept(listening, nullptr, nullptr);
  if (client.socket_ >= 0) {
    (void)fcntl(client.socket_, F_SETFL, O_NONBLOCK);
  }
  return client;
}
int WiFiClient::available() {
  uint8_t bytes[64];
  return static_cast<int>(recv(socket_, bytes, sizeof(bytes), MSG_PEEK));
}
uint8_t WiFiClient::connected() {
  if (socket_ >= 0 && available() == 0) { /* its end */
    (void)close(socket_);
    socket_ = -1;
  }
  return socket_ >= 0;
}
int WiFiClient::read() {
  uint8_t byte = 0;
  return recv(socket_, &byte, 1, 0) == 1 ? byte : -1;
}
size_t WiFiClient::write(const uint8_t *bytes, size_t count) {
  const ssize_t sent = send(socket_, bytes, count, MSG_NOSIGNAL);
  return sent > 0 ? static_cast<size_t>(sent) : 0;
}

static int udp = -1;
static sockaddr_in sender, addressee;
static uint8_t packet[2048];
static int packet_bytes, packet_read;
static uint8_t sending[2048];
static size_t sending_bytes;
uint8_t WiFiUDP::begin(uint16_t) {
  udp = open_socket(SOCK_DGRAM, "udp");
  return 1;
}
int WiFiUDP::parsePacket() {
  socklen_t length = sizeof(sender);
  packet_read = 0;
  packet_bytes = static_cast<int>(
      recvfrom(udp, packet, sizeof(packet), 0, reinterpret_cast<sockaddr *>(&sender), &length));
  packet_bytes = packet_bytes > 0 ? packet_bytes : 0;
  return packet_bytes;
}
int WiFiUDP::available() { return packet_bytes - packet_read; }
int WiFiUDP::read() { return packet_read < packet_bytes ? packet[packet_read++] : -1; }
IPAddress WiFiUDP::remoteIP() {
  IPAddress address = IPAddress();
  address.address = sender.sin_addr.s_addr;
  return address;
}
uint16_t WiFiUDP::remotePort() { return ntohs(sender.sin_port); }
int WiFiUDP::beginPacket(IPAddress address, uint16_t port) {
  addressee.sin_family = AF_INET;
  addressee.sin_addr.s_addr = address.address;
  addressee.sin_port = htons(port);
  sending_bytes = 0;
  return 1;
}
size_t WiFiUDP::write(const uint8_t *bytes, size_t count) {
  std::memcpy(sending + sending_bytes, bytes, count);
  sending_bytes += count;
  return count;
}
int WiFiUDP::endPacket() {
  return sendto(udp, sending, sending_bytes, 0, reinterpret_cast<const sockaddr *>(&addressee),
                sizeof(addressee)) > 0;
}

static int32_t read_byte(void *) { return TINYOPS_PORT_NO_BYTE; }
static void write_bytes(void *, const uint8_t *, uint32_t) { std::printf("serial\n"); }

enum { FRAMES = 1000 };
static int16_t next_frame;
static int32_t start(void *, uint32_t) {
  next_frame = 0;
  return 0;
}
static int32_t poll(void *, int16_t *values, uint32_t count) {
  if (next_frame == FRAMES) {
    return 0;
  }
  for (uint32_t i = 0; i < count; ++i) {
    values[i] = static_cast<int16_t>(next_frame * 7 + static_cast<int16_t>(i));
  }
  ++next_frame;
  return 1;
}
static uint32_t missed(void *) { return 0; }

int main() {
  static const uint8_t contract[32] = {0};
  static const tinyops_port_sensor sensor = {start, poll, missed};
  static const tinyops_arduino_network none = {"", "", 7424}, plant = {"plant", "secret", 7424};
  static int16_t frame[6];
  static tinyops_arduino_ways ways;
  static tinyops_collect collect;
  tinyops_port port = tinyops_port();
  port.read_byte = read_byte;
  port.write = write_bytes;
  port.sensor = &sensor;
  tinyops_arduino_open_ways(&ways, &port);
  tinyops_arduino_add_wifi(&ways, &none); /* without a network's name there is no way */
  tinyops_arduino_add_wifi(&ways, &plant);
  const tinyops_collect_board board = {&ways.port, "desk", contract, frame, 6, 50000};
  tinyops_collect_init(&collect, &board);
  std::printf("%u ways\n", ways.count);
  std::fflush(stdout);
  for (;;) {
    if (tinyops_collect_poll(&collect) == 0) {
      (void)usleep(500);
    }
  }
}
