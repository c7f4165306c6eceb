/* URLs, RFC 3986 as far as a device needs it; see url.h. */
#include "tinyops/fetch/url.h"

enum { PORT_MAX = 65535, SCHEME_BYTES = 8 };

static int32_t is_plain(char c) { return c > 0x20 && c < 0x7f; }

static char lowered(char c) { return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c); }

static int32_t is_host(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '-';
}

static int32_t is_https(const char *text, uint32_t count) {
  static const char scheme[] = "https://";
  for (uint32_t i = 0; i < SCHEME_BYTES; i++) {
    if (i >= count || lowered(text[i]) != scheme[i]) {
      return 0;
    }
  }
  return 1;
}

/* Returns where the host ends, or a negative status. */
static int32_t take_host(tinyops_url *url, const char *text, uint32_t count) {
  uint32_t length = 0;
  while (length < count && is_host(lowered(text[length]))) {
    if (length == TINYOPS_URL_HOST_MAX) {
      return TINYOPS_URL_ERR_LONG;
    }
    url->host[length] = lowered(text[length]);
    length++;
  }
  url->host[length] = 0;
  const int32_t good = length != 0 && url->host[0] != '.' && url->host[0] != '-';
  return good ? (int32_t)length : TINYOPS_URL_ERR_FORM;
}

/* Behind the host: nothing, or a colon and digits. Returns their length, or a negative status. */
static int32_t take_port(tinyops_url *url, const char *text, uint32_t count) {
  url->port = TINYOPS_URL_PORT;
  if (count == 0 || text[0] != ':') {
    return 0;
  }
  uint32_t at = 1, port = 0;
  while (at < count && text[at] >= '0' && text[at] <= '9' && port <= PORT_MAX) {
    port = port * 10u + (uint32_t)(text[at] - '0');
    at++;
  }
  if (port == 0 || port > PORT_MAX) {
    return TINYOPS_URL_ERR_FORM;
  }
  url->port = port;
  return (int32_t)at;
}

/* The text may lie in the path, further on: it is copied forwards. */
static int32_t take_path(tinyops_url *url, const char *text, uint32_t count) {
  url->path_bytes = 0;
  if (count == 0 || text[0] == '#') {
    return tinyops_url_append(url, "/", 1);
  }
  if (text[0] == '?') {
    return TINYOPS_URL_ERR_FORM; /* "https://host?query": nobody's releases lie there */
  }
  uint32_t length = 0;
  while (length < count && text[length] != '#') {
    length++;
  }
  return text[0] == '/' ? tinyops_url_append(url, text, length) : TINYOPS_URL_ERR_FORM;
}

int32_t tinyops_url_parse(tinyops_url *url, const char *text, uint32_t count) {
  if (count > TINYOPS_URL_MAX) {
    return TINYOPS_URL_ERR_LONG;
  }
  if (count != 0 && text[0] == '/' && (count == 1 || text[1] != '/')) {
    return url->host[0] != 0 ? take_path(url, text, count) : TINYOPS_URL_ERR_SCHEME;
  }
  if (is_https(text, count) == 0) {
    return TINYOPS_URL_ERR_SCHEME;
  }
  uint32_t at = SCHEME_BYTES;
  const int32_t host = take_host(url, text + at, count - at);
  if (host < 0) {
    return host;
  }
  at += (uint32_t)host;
  const int32_t port = take_port(url, text + at, count - at);
  if (port < 0) {
    return port;
  }
  at += (uint32_t)port;
  return take_path(url, text + at, count - at);
}

int32_t tinyops_url_append(tinyops_url *url, const char *text, uint32_t count) {
  if (count > TINYOPS_URL_MAX - url->path_bytes) {
    return TINYOPS_URL_ERR_LONG;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (is_plain(text[i]) == 0) {
      return TINYOPS_URL_ERR_FORM;
    }
    url->path[url->path_bytes++] = text[i];
  }
  url->path[url->path_bytes] = 0;
  return TINYOPS_URL_OK;
}
