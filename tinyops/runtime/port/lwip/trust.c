/* Whom this device believes: its roots, and certificates' times as far as it knows the time. */
#include <string.h>

#include "mbedtls/x509_crt.h"
#include "state.h"

enum { SEQUENCE = 0x30, LENGTH_OF_TWO = 0x82, HEAD_BYTES = 4, ROOTS_MAX = 8 };

/* Bytes of the DER certificate that begins there, 0: none does. All roots are longer than 255. */
static uint32_t certificate_bytes(const uint8_t *bytes, uint32_t left) {
  if (left < HEAD_BYTES || bytes[0] != SEQUENCE || bytes[1] != LENGTH_OF_TWO) {
    return 0;
  }
  const uint32_t length = HEAD_BYTES + ((uint32_t)bytes[2] << 8 | bytes[3]);
  return length <= left ? length : 0;
}

static uint64_t seconds_of(const mbedtls_x509_time *time) {
  const tinyops_date date = {time->year, time->mon, time->day, time->hour, time->min, time->sec};
  return tinyops_clock_seconds(&date);
}

/* Once for every certificate of a chain, the root's too. mbedTLS knows no time here. */
static int judge_times(void *context, mbedtls_x509_crt *certificate, int depth, uint32_t *flags) {
  tinyops_connection *connection = (tinyops_connection *)context;
  const tinyops_network_config *config = &tinyops_the_network.config;
  const uint32_t now_ms = config->board->now_ms();
  const uint64_t from_s = seconds_of(&certificate->valid_from);
  const uint64_t until_s = seconds_of(&certificate->valid_to);
  (void)depth;
  if (until_s == 0 || tinyops_clock_is_past(config->clock, now_ms, until_s)) {
    *flags |= MBEDTLS_X509_BADCERT_EXPIRED;
  }
  if (from_s == 0 || tinyops_clock_is_future(config->clock, now_ms, from_s)) {
    *flags |= MBEDTLS_X509_BADCERT_FUTURE;
  }
  if (from_s > connection->valid_from_s) {
    connection->valid_from_s = from_s;
  }
  if (until_s < connection->valid_until_s) {
    connection->valid_until_s = until_s;
  }
  return 0;
}

int32_t tinyops_trust_open(tinyops_connection *connection) {
  const tinyops_network_config *config = &tinyops_the_network.config;
  const uint8_t *bytes = config->roots;
  uint32_t left = config->roots_bytes, count = 0;
  while (left != 0 && count < ROOTS_MAX) {
    const uint32_t length = certificate_bytes(bytes, left);
    if (length == 0) {
      return TINYOPS_STREAM_NO_ROOTS;
    }
    const int status = mbedtls_x509_crt_parse_der_nocopy(&connection->roots, bytes, length);
    if (status == MBEDTLS_ERR_X509_ALLOC_FAILED) {
      return TINYOPS_STREAM_MEMORY;
    }
    /* One that mbedTLS cannot read may stand beside others that it can. */
    count += status == 0 ? 1u : 0u;
    bytes += length;
    left -= length;
  }
  if (count == 0) {
    return TINYOPS_STREAM_NO_ROOTS;
  }
  connection->valid_from_s = 0;
  connection->valid_until_s = UINT64_MAX;
  mbedtls_ssl_conf_ca_chain(&connection->settings, &connection->roots, NULL);
  mbedtls_ssl_conf_verify(&connection->settings, judge_times, connection);
  return 0;
}

int32_t tinyops_trust_status(uint32_t flags) {
  if ((flags & MBEDTLS_X509_BADCERT_NOT_TRUSTED) != 0) {
    return TINYOPS_STREAM_ROOT;
  }
  if ((flags & MBEDTLS_X509_BADCERT_CN_MISMATCH) != 0) {
    return TINYOPS_STREAM_HOST;
  }
  if ((flags & MBEDTLS_X509_BADCERT_EXPIRED) != 0) {
    return TINYOPS_STREAM_EXPIRED;
  }
  if ((flags & MBEDTLS_X509_BADCERT_FUTURE) != 0) {
    return TINYOPS_STREAM_EARLY;
  }
  return TINYOPS_STREAM_REFUSED;
}
