/* The number of a Linux machine, as programs may show it. */
#ifndef TINYOPS_PORT_NATIVE_MACHINE_ID_H
#define TINYOPS_PORT_NATIVE_MACHINE_ID_H

#include <stdint.h>

enum { MACHINE_ID_BYTES = 16 };

/* Copies the number of this machine, as tinyops knows it, to `id`: made of /etc/machine-id, which
 * is confidential, by HMAC-SHA256 with a number of ours, so that nobody can come back from one to
 * the other (machine-id(5), sd_id128_get_machine_app_specific). Returns its bytes, or 0 where the
 * system has none. */
uint32_t machine_id_read(uint8_t *id);

/* The same from the text of that file. Returns 0 for what is no 32 hex digits and a newline. */
uint32_t machine_id_from(const char *text, uint8_t *id);

#endif
