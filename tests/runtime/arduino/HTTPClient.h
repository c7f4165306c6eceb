/* What tinyops uses of the ESP32 core's HTTP client, declared and no more. */
#ifndef THIN_HTTP_CLIENT_H
#define THIN_HTTP_CLIENT_H

#include <stddef.h>
#include <stdint.h>

/* Of the core's class of that name: made of characters. */
class String {
 public:
  String(const char *text);
  ~String();
};

class HTTPClient {
 public:
  HTTPClient();
  ~HTTPClient();
  bool begin(String url);
  void end();
  void setConnectTimeout(int32_t milliseconds);
  void setTimeout(uint16_t milliseconds);
  void addHeader(const String &name, const String &value, bool first = false, bool replace = true);
  int POST(uint8_t *payload, size_t size);
};

#endif
