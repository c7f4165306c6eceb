/* What tinyops uses of the ESP32 core's Wi-Fi, declared and no more. */
#ifndef THIN_WIFI_H
#define THIN_WIFI_H

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

#endif
