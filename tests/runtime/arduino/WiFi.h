/* What tinyops uses of the ESP32 core's Wi-Fi, declared and no more. */
#ifndef THIN_WIFI_H
#define THIN_WIFI_H

#include <stddef.h>
#include <stdint.h>

typedef enum { WL_IDLE_STATUS = 0, WL_CONNECTED = 3, WL_DISCONNECTED = 6 } wl_status_t;
typedef enum { WIFI_OFF = 0, WIFI_STA = 1 } wifi_mode_t;

class WiFiClass {
 public:
  void persistent(bool keep);
  bool mode(wifi_mode_t mode);
  bool setAutoReconnect(bool again);
  wl_status_t begin(const char *ssid, const char *passphrase);
  static wl_status_t status();
};

extern WiFiClass WiFi;

class IPAddress {
 public:
  uint32_t address;
};

class WiFiClient {
 public:
  uint8_t connected();
  int available();
  int read();
  size_t write(const uint8_t *bytes, size_t count);

  int socket_ = -1; /* the host's */
};

class WiFiServer {
 public:
  explicit WiFiServer(uint16_t port);
  void begin();
  WiFiClient accept();

 private:
  uint16_t port_;
};

#endif
