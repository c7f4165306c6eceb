/* One connection: a name, TCP, TLS, then bytes.
 *
 *   NONE --open--> RESOLVES --> CONNECTS --> SHAKES_HANDS --> IS_UP
 *     ^                any failure or close                     |
 *     +---------------------------------------------------------+ */
#include <string.h>

#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "state.h"

static tinyops_connection *the_connection(void) { return &tinyops_the_network.connection; }

static int32_t fail(tinyops_connection *connection, int32_t status) {
  connection->failed = status;
  return status;
}

/* -- TCP ------------------------------------------------------------------------------------- */

static err_t take_packet(void *context, struct tcp_pcb *pcb, struct pbuf *packet, err_t error) {
  tinyops_connection *connection = (tinyops_connection *)context;
  (void)pcb;
  (void)error;
  if (packet == NULL) {
    connection->ended = 1;
  } else if (connection->arrived == NULL) {
    connection->arrived = packet;
  } else {
    pbuf_cat(connection->arrived, packet);
  }
  return ERR_OK;
}

static err_t be_connected(void *context, struct tcp_pcb *pcb, err_t error) {
  tinyops_connection *connection = (tinyops_connection *)context;
  (void)pcb;
  (void)error;
  connection->state = CONNECTION_SHAKES_HANDS;
  return ERR_OK;
}

/* lwIP has freed the pcb. */
static void be_lost(void *context, err_t error) {
  tinyops_connection *connection = (tinyops_connection *)context;
  (void)error;
  connection->pcb = NULL;
  connection->ended = 1;
  if (connection->state < CONNECTION_IS_UP || connection->arrived == NULL) {
    (void)fail(connection, TINYOPS_STREAM_LOST);
  }
}

static void connect_to(tinyops_connection *connection, const ip_addr_t *address) {
  connection->pcb = tcp_new();
  if (connection->pcb == NULL) {
    (void)fail(connection, TINYOPS_STREAM_MEMORY);
    return;
  }
  tcp_arg(connection->pcb, connection);
  tcp_recv(connection->pcb, take_packet);
  tcp_err(connection->pcb, be_lost);
  connection->state = CONNECTION_CONNECTS;
  if (tcp_connect(connection->pcb, address, connection->port, be_connected) != ERR_OK) {
    (void)fail(connection, TINYOPS_STREAM_LOST);
  }
}

static void hear_address(const char *name, const ip_addr_t *address, void *attempt) {
  tinyops_connection *connection = the_connection();
  (void)name;
  if (connection->state != CONNECTION_RESOLVES ||
      (uint32_t)(uintptr_t)attempt != connection->attempt) {
    return; /* somebody's who has given up */
  }
  if (address == NULL) {
    (void)fail(connection, TINYOPS_STREAM_NAME);
  } else {
    connect_to(connection, address);
  }
}

/* Not before the network has given this device an address. */
static void resolve(tinyops_connection *connection) {
  ip_addr_t address;
  const uintptr_t attempt = connection->attempt;
  const err_t found = dns_gethostbyname(connection->host, &address, hear_address, (void *)attempt);
  if (found == ERR_OK) {
    connect_to(connection, &address);
  } else if (found == ERR_INPROGRESS) {
    connection->state = CONNECTION_RESOLVES;
  } else {
    (void)fail(connection, TINYOPS_STREAM_NAME);
  }
}

/* -- TLS ------------------------------------------------------------------------------------- */

static int send_record(void *context, const unsigned char *bytes, size_t count) {
  tinyops_connection *connection = (tinyops_connection *)context;
  if (connection->pcb == NULL) {
    return MBEDTLS_ERR_SSL_CONN_EOF;
  }
  const size_t room = tcp_sndbuf(connection->pcb);
  const size_t taken = count < room ? count : room;
  if (taken == 0 ||
      tcp_write(connection->pcb, bytes, (u16_t)taken, TCP_WRITE_FLAG_COPY) != ERR_OK) {
    return MBEDTLS_ERR_SSL_WANT_WRITE;
  }
  (void)tcp_output(connection->pcb);
  return (int)taken;
}

static int receive_record(void *context, unsigned char *bytes, size_t room) {
  tinyops_connection *connection = (tinyops_connection *)context;
  struct pbuf *packet = connection->arrived;
  if (packet == NULL) {
    return connection->ended != 0 ? MBEDTLS_ERR_SSL_CONN_EOF : MBEDTLS_ERR_SSL_WANT_READ;
  }
  const u16_t wanted = room < UINT16_MAX ? (u16_t)room : UINT16_MAX;
  const u16_t count = pbuf_copy_partial(packet, bytes, wanted, 0);
  connection->arrived = pbuf_free_header(packet, count);
  if (connection->pcb != NULL) {
    tcp_recved(connection->pcb, count);
  }
  return count;
}

static int32_t secure(tinyops_connection *connection) {
  mbedtls_ssl_init(&connection->ssl);
  mbedtls_ssl_config_init(&connection->settings);
  mbedtls_x509_crt_init(&connection->roots);
  connection->secured = 1;
  if (mbedtls_ssl_config_defaults(&connection->settings, MBEDTLS_SSL_IS_CLIENT,
                                  MBEDTLS_SSL_TRANSPORT_STREAM, MBEDTLS_SSL_PRESET_DEFAULT) != 0) {
    return TINYOPS_STREAM_MEMORY;
  }
  mbedtls_ssl_conf_authmode(&connection->settings, MBEDTLS_SSL_VERIFY_REQUIRED);
  mbedtls_ssl_conf_rng(&connection->settings, mbedtls_ctr_drbg_random, &tinyops_the_network.drbg);
  const int32_t trusted = tinyops_trust_open(connection);
  if (trusted != 0) {
    return trusted;
  }
  if (mbedtls_ssl_setup(&connection->ssl, &connection->settings) != 0 ||
      mbedtls_ssl_set_hostname(&connection->ssl, connection->host) != 0) {
    return TINYOPS_STREAM_MEMORY;
  }
  mbedtls_ssl_set_bio(&connection->ssl, connection, send_record, receive_record, NULL);
  return 0;
}

/* In mbedTLS's errors the low seven bits tell the module's error, which a higher one may cover. */
static int32_t status_of(tinyops_connection *connection, int error) {
  switch (error) {
    case MBEDTLS_ERR_X509_CERT_VERIFY_FAILED:
      return tinyops_trust_status(mbedtls_ssl_get_verify_result(&connection->ssl));
    case MBEDTLS_ERR_SSL_PEER_CLOSE_NOTIFY:
      return TINYOPS_STREAM_ENDED;
    case MBEDTLS_ERR_SSL_CONN_EOF:
      return TINYOPS_STREAM_LOST;
    case MBEDTLS_ERR_SSL_ALLOC_FAILED:
    case MBEDTLS_ERR_X509_ALLOC_FAILED:
    case MBEDTLS_ERR_MPI_ALLOC_FAILED:
    case MBEDTLS_ERR_ECP_ALLOC_FAILED:
    case MBEDTLS_ERR_PK_ALLOC_FAILED:
      return TINYOPS_STREAM_MEMORY;
    default:
      return TINYOPS_STREAM_TLS;
  }
}

static int32_t judge(tinyops_connection *connection, int result) {
  if (result == MBEDTLS_ERR_SSL_WANT_READ || result == MBEDTLS_ERR_SSL_WANT_WRITE) {
    return 0;
  }
  return result < 0 ? fail(connection, status_of(connection, result)) : result;
}

/* One step at a time: some of them take a signature's time. */
static int32_t shake_hands(tinyops_connection *connection) {
  if (connection->secured == 0) {
    const int32_t status = secure(connection);
    if (status != 0) {
      return fail(connection, status);
    }
  }
  const int result = mbedtls_ssl_handshake_step(&connection->ssl);
  const int32_t status = judge(connection, result);
  connection->goes_on = result == 0 && connection->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER;
  if (status < 0) {
    return status;
  }
  if (connection->ssl.state != MBEDTLS_SSL_HANDSHAKE_OVER) {
    return 0;
  }
  connection->state = CONNECTION_IS_UP;
  return 1;
}

/* -- The stream ------------------------------------------------------------------------------ */

/* Without callbacks whatever is still to come is nobody's. */
static void close_tcp(struct tcp_pcb *pcb) {
  tcp_arg(pcb, NULL);
  tcp_recv(pcb, NULL);
  tcp_err(pcb, NULL);
  if (tcp_close(pcb) != ERR_OK) {
    tcp_abort(pcb);
  }
}

static void close_connection(void *context) {
  tinyops_connection *connection = (tinyops_connection *)context;
  if (connection->secured != 0) {
    if (connection->state == CONNECTION_IS_UP && connection->failed == 0) {
      (void)mbedtls_ssl_close_notify(&connection->ssl);
    }
    mbedtls_ssl_free(&connection->ssl);
    mbedtls_ssl_config_free(&connection->settings);
    mbedtls_x509_crt_free(&connection->roots);
  }
  if (connection->arrived != NULL) {
    (void)pbuf_free(connection->arrived);
  }
  if (connection->pcb != NULL) {
    close_tcp(connection->pcb);
  }
  const uint32_t attempt = connection->attempt;
  *connection = (tinyops_connection){.attempt = attempt + 1u};
}

static int32_t open_connection(void *context, const char *host, uint32_t port) {
  tinyops_connection *connection = (tinyops_connection *)context;
  close_connection(connection);
  const size_t length = strlen(host);
  if (length > TINYOPS_HOST_MAX || port > UINT16_MAX) {
    return fail(connection, TINYOPS_STREAM_NAME);
  }
  memcpy(connection->host, host, length + 1u);
  connection->port = (uint16_t)port;
  connection->state = CONNECTION_RESOLVES;
  if (tinyops_the_network.config.roots_bytes == 0) {
    return fail(connection, TINYOPS_STREAM_NO_ROOTS);
  }
  if (dhcp_supplied_address(&tinyops_the_network.netif) == 0) {
    return fail(connection, TINYOPS_STREAM_NO_LINK);
  }
  resolve(connection);
  return connection->failed;
}

static int32_t be_ready(void *context) {
  tinyops_connection *connection = (tinyops_connection *)context;
  if (connection->failed != 0) {
    return connection->failed;
  }
  switch (connection->state) {
    case CONNECTION_SHAKES_HANDS:
      return shake_hands(connection);
    case CONNECTION_IS_UP:
      return 1;
    case CONNECTION_NONE:
      return TINYOPS_STREAM_LOST;
    default:
      return 0;
  }
}

static int32_t send_bytes(void *context, const uint8_t *bytes, uint32_t count) {
  tinyops_connection *connection = (tinyops_connection *)context;
  if (connection->failed != 0 || connection->state != CONNECTION_IS_UP) {
    return connection->failed != 0 ? connection->failed : TINYOPS_STREAM_LOST;
  }
  return judge(connection, mbedtls_ssl_write(&connection->ssl, bytes, count));
}

static int32_t receive_bytes(void *context, uint8_t *bytes, uint32_t room) {
  tinyops_connection *connection = (tinyops_connection *)context;
  if (connection->failed != 0 || connection->state != CONNECTION_IS_UP) {
    return connection->failed != 0 ? connection->failed : TINYOPS_STREAM_LOST;
  }
  const int count = mbedtls_ssl_read(&connection->ssl, bytes, room);
  return count == 0 ? fail(connection, TINYOPS_STREAM_LOST) : judge(connection, count);
}

static uint32_t now_ms(void *context) {
  (void)context;
  return tinyops_the_network.config.board->now_ms();
}

/* A server whose certificate was stolen can claim a time at which it was valid, and no other. */
static int32_t be_told_time(void *context, uint64_t seconds) {
  const tinyops_connection *connection = (tinyops_connection *)context;
  if (seconds > connection->valid_until_s) {
    return TINYOPS_STREAM_EXPIRED;
  }
  if (seconds < connection->valid_from_s) {
    return TINYOPS_STREAM_EARLY;
  }
  (void)tinyops_clock_told(tinyops_the_network.config.clock, now_ms(context), seconds);
  return 0;
}

void tinyops_connection_attach(tinyops_stream *stream) {
  *stream = (tinyops_stream){
      .context = the_connection(),
      .open = open_connection,
      .ready = be_ready,
      .send = send_bytes,
      .receive = receive_bytes,
      .close = close_connection,
      .now_ms = now_ms,
      .told_time = be_told_time,
  };
}
