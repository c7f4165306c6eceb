/* Wi-Fi of the ESP32s: one host over TCP, or over UDP, where a datagram holds whole frames. */
#include "core.h"
#include "library.h"
#include "way.h"
TINYOPS_LIBRARY_BEGIN
#include <WiFi.h>
#include <WiFiUdp.h>
TINYOPS_LIBRARY_END

enum { DATAGRAM_MAX = 640 };

static WiFiServer *server;
static WiFiClient host;
static WiFiUDP datagrams;
static IPAddress host_address;
static uint16_t host_port;
static uint8_t datagram[DATAGRAM_MAX];
static uint32_t held;
static bool inside; /* a frame */

/* A new host takes the place of one that is gone, never of one that is there. */
static int32_t read_tcp() {
  if (!host.connected()) {
    host = server->accept();
  }
  return host.available() > 0 ? host.read() : TINYOPS_PORT_NO_BYTE;
}

static void write_tcp(const uint8_t *bytes, uint32_t count) {
  while (count > 0 && host.connected()) {
    const size_t sent = host.write(bytes, count);
    bytes += sent;
    count -= static_cast<uint32_t>(sent);
  }
}

static int32_t read_udp() {
  if (datagrams.available() <= 0) {
    if (datagrams.parsePacket() <= 0) {
      return TINYOPS_PORT_NO_BYTE;
    }
    host_address = datagrams.remoteIP();
    host_port = datagrams.remotePort();
  }
  return datagrams.available() > 0 ? datagrams.read() : TINYOPS_PORT_NO_BYTE;
}

static void send_datagram() {
  if (datagrams.beginPacket(host_address, host_port) != 0) {
    (void)datagrams.write(datagram, held);
    (void)datagrams.endPacket(); /* what the network loses leaves a gap in the frames' numbers */
  }
  held = 0;
}

/* A frame lies between two 0x00: at the second one, what is held is sent. */
static void write_udp(const uint8_t *bytes, uint32_t count) {
  for (uint32_t i = 0; i < count; ++i) {
    const bool ends = bytes[i] == 0 && inside;
    inside = bytes[i] != 0;
    datagram[held] = bytes[i];
    ++held;
    if (ends || held == DATAGRAM_MAX) {
      send_datagram();
    }
  }
}

void tinyops_arduino_add_wifi(tinyops_arduino_ways *ways, const tinyops_arduino_network *network) {
  static const tinyops_arduino_way tcp = {read_tcp, write_tcp}, udp = {read_udp, write_udp};
  if (network->ssid[0] == 0) {
    return;
  }
  WiFi.persistent(false); /* the password stays where it was provisioned */
  (void)WiFi.mode(WIFI_STA);
  (void)WiFi.setAutoReconnect(true);
  (void)WiFi.begin(network->ssid, network->password);
  static WiFiServer listening(network->port);
  server = &listening;
  server->begin();
  (void)datagrams.begin(network->port);
  tinyops_arduino_add_way(ways, &tcp);
  tinyops_arduino_add_way(ways, &udp);
}
