/* What fetching needs from a network: one connection at a time to a server whose name was proven,
 * as a stream of bytes, and a clock. Nothing here blocks. */
#ifndef TINYOPS_FETCH_STREAM_H
#define TINYOPS_FETCH_STREAM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Why there is no connection, or none any more; part of what devices report. */
typedef enum {
  TINYOPS_STREAM_OK = 0,
  TINYOPS_STREAM_ENDED = -1,     /* the server closed it in order */
  TINYOPS_STREAM_LOST = -2,      /* it broke, or nobody listens there */
  TINYOPS_STREAM_NO_LINK = -3,   /* no network, or it gave this device no address */
  TINYOPS_STREAM_NAME = -4,      /* no name server knows the host */
  TINYOPS_STREAM_ROOT = -5,      /* no trusted root vouches for the server's certificate */
  TINYOPS_STREAM_HOST = -6,      /* the certificate is another host's */
  TINYOPS_STREAM_EXPIRED = -7,   /* a certificate of its chain has expired */
  TINYOPS_STREAM_EARLY = -8,     /* one is not valid yet, as far as this device can know */
  TINYOPS_STREAM_REFUSED = -9,   /* something else is wrong with the certificates */
  TINYOPS_STREAM_TLS = -10,      /* the server does not speak TLS 1.2 as this device does */
  TINYOPS_STREAM_MEMORY = -11,   /* no memory is left for the connection */
  TINYOPS_STREAM_NO_ROOTS = -12, /* this device was given no roots */
  TINYOPS_STREAM_RANDOM = -13    /* it has no randomness */
} tinyops_stream_status;

/* Every call returns at once; a handshake's step may take as long as one signature. */
typedef struct {
  void *context;
  /* Begins a connection; one that is open is closed first. `host` is copied. Returns 0 or a
   * negative status. */
  int32_t (*open)(void *context, const char *host, uint32_t port);
  /* Returns 1 when the server's name is proven and bytes may travel, 0 while that goes on, or a
   * negative status. */
  int32_t (*ready)(void *context);
  /* Returns how many of the bytes were taken, 0: none now, or a negative status. */
  int32_t (*send)(void *context, const uint8_t *bytes, uint32_t count);
  /* Returns how many bytes came, 0: none now, or a negative status. */
  int32_t (*receive)(void *context, uint8_t *bytes, uint32_t room);
  /* Ends the connection, if there is one, and frees what it took. */
  void (*close)(void *context);
  /* Milliseconds since start-up, modulo 2^32. */
  uint32_t (*now_ms)(void *context);
  /* The connected server says that it is `seconds` after 1970; see clock.h. Returns 0, or
   * TINYOPS_STREAM_EXPIRED or _EARLY when its own certificates are not valid then. May be null. */
  int32_t (*told_time)(void *context, uint64_t seconds);
} tinyops_stream;

#ifdef __cplusplus
}
#endif

#endif
