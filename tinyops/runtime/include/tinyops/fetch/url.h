/* URLs as a device follows them: https alone, no user, no fragment, bounded. */
#ifndef TINYOPS_FETCH_URL_H
#define TINYOPS_FETCH_URL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  TINYOPS_URL_MAX = 4096, /* characters of one; links that expire have 1,500 and more */
  TINYOPS_URL_HOST_MAX = 253,
  TINYOPS_URL_PORT = 443
};

typedef enum {
  TINYOPS_URL_OK = 0,
  TINYOPS_URL_ERR_SCHEME = -1, /* not https, or no URL */
  TINYOPS_URL_ERR_FORM = -2,   /* a host, port or character that cannot be */
  TINYOPS_URL_ERR_LONG = -3
} tinyops_url_status;

typedef struct {
  char host[TINYOPS_URL_HOST_MAX + 1]; /* in lower case */
  uint32_t port;
  uint32_t path_bytes;
  char path[TINYOPS_URL_MAX + 1]; /* with the query, from its slash on */
} tinyops_url;

/* Reads a URL that a server redirects to, or the device was given; one that begins with a slash is
 * on the host that `url` already has. `text` may lie in `url->path`. On an error `url` is nothing.
 * Returns OK or why not. */
int32_t tinyops_url_parse(tinyops_url *url, const char *text, uint32_t count);

/* Appends `count` characters to the path. Returns OK, ERR_FORM or ERR_LONG. */
int32_t tinyops_url_append(tinyops_url *url, const char *text, uint32_t count);

#ifdef __cplusplus
}
#endif

#endif
