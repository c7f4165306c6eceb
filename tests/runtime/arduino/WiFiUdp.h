/* What tinyops uses of the ESP32 core's UDP, declared and no more. */
#ifndef THIN_WIFI_UDP_H
#define THIN_WIFI_UDP_H

#include <WiFi.h>

class WiFiUDP {
 public:
  uint8_t begin(uint16_t port);
  int parsePacket();
  int available();
  int read();
  IPAddress remoteIP();
  uint16_t remotePort();
  int beginPacket(IPAddress address, uint16_t port);
  size_t write(const uint8_t *bytes, size_t count);
  int endPacket();
};

#endif
