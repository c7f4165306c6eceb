/* Images in the two slots of a maker's bootloader.
 *
 * That bootloader wants its own kind of image from the first byte of its partition on, and starts
 * what it finds whole, whoever made it. So for the slot library (slots.h) a partition looks like
 * this, while it lies otherwise in flash:
 *
 *   seen:   header 256 | body ...                       | TLVs |          (one sector less)
 *   lies:   body ...                       | TLVs | ... | header, in the last sector
 *
 * The body's first 256 bytes are kept in RAM until digest, signature, board and counter are proved,
 * and programmed then: until then nothing lies there that the maker's bootloader would start.
 *
 * Two records say which firmware is on trial: the maker's, which decides, and the slots' log, which
 * follows it at every start-up; see vendor.c. The caller owns the struct, which outlives its use.
 */
#ifndef TINYOPS_VENDOR_H
#define TINYOPS_VENDOR_H

#include "tinyops/boot.h"
#include "tinyops/port.h"
#include "tinyops/slots.h"

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_VENDOR_HEADER_BYTES 256u

/* Filled in by the caller up to `own`, the rest by tinyops_vendor_open. */
typedef struct {
  const tinyops_port *port; /* has `flash` and `update` */
  tinyops_slot partitions[TINYOPS_SLOTS_EACH];
  const tinyops_boot_table *own; /* the slot library that is linked in */
  tinyops_port view;             /* the port as slots see it; its context is this struct */
  tinyops_port_flash flash;
  tinyops_boot_table table; /* instead of `own`: keeps both records together */
  uint8_t held;             /* whose first bytes are in `first`, TINYOPS_SLOTS_NONE */
  uint8_t first[TINYOPS_VENDOR_HEADER_BYTES];
} tinyops_vendor;

/* Prepares `view` and `table`, with which slots are opened. Returns TINYOPS_SLOTS_OK, or
 * ERR_GEOMETRY for a port that has no such bootloader, or partitions that are none. */
int32_t tinyops_vendor_open(tinyops_vendor *vendor);

#ifdef __cplusplus
}
#endif

#endif
