/* What the files of this folder share. */
#ifndef TINYOPS_PORT_LWIP_STATE_H
#define TINYOPS_PORT_LWIP_STATE_H

#include "lwip/netif.h"
#include "lwip/tcp.h"
#include "mbedtls/ctr_drbg.h"
#include "mbedtls/entropy.h"
#include "mbedtls/ssl.h"
#include "network.h"

enum { TINYOPS_HOST_MAX = 253 };

typedef enum {
  CONNECTION_NONE = 0,
  CONNECTION_RESOLVES,
  CONNECTION_CONNECTS,
  CONNECTION_SHAKES_HANDS,
  CONNECTION_IS_UP
} connection_state;

/* The one connection. */
typedef struct {
  connection_state state;
  int32_t failed;   /* a tinyops_stream_status that ended it */
  uint32_t attempt; /* counts, so that late answers of name servers are told apart */
  uint16_t port;
  uint8_t secured; /* the TLS structs below are in use */
  uint8_t ended;   /* the server sends no more */
  uint8_t goes_on; /* the handshake's next step waits for nothing */
  char host[TINYOPS_HOST_MAX + 1];
  struct tcp_pcb *pcb;
  struct pbuf *arrived; /* not yet read */
  mbedtls_ssl_context ssl;
  mbedtls_ssl_config settings;
  mbedtls_x509_crt roots;
  uint64_t valid_from_s, valid_until_s; /* of the whole chain */
} tinyops_connection;

typedef struct {
  tinyops_network_config config;
  uint8_t is_open;
  uint8_t has_randomness;
  struct netif netif;
  mbedtls_entropy_context entropy;
  mbedtls_ctr_drbg_context drbg;
  tinyops_connection connection;
} tinyops_network;

extern tinyops_network tinyops_the_network;

/* Parses the roots in place and judges chains by `connection`'s clock. Returns 0 or a
 * tinyops_stream_status. */
int32_t tinyops_trust_open(tinyops_connection *connection);

/* The status for what mbedTLS found wrong with a chain. */
int32_t tinyops_trust_status(uint32_t flags);

void tinyops_connection_attach(tinyops_stream *stream);

#endif
