/* Deltas between images. Written by tinyops/images/delta, which is their definition; never edited
 * by hand. */
#ifndef TINYOPS_DELTA_FORMAT_H
#define TINYOPS_DELTA_FORMAT_H

#define TINYOPS_DELTA_MAGIC 0x31444f54u
#define TINYOPS_DELTA_FORMAT 1u
#define TINYOPS_DELTA_HEADER_BYTES 44u
#define TINYOPS_DELTA_AT_BASE_BYTES 4u
#define TINYOPS_DELTA_AT_RESULT_BYTES 8u
#define TINYOPS_DELTA_AT_BASE_DIGEST 12u
#define TINYOPS_DELTA_ODDS_BITS 12u
#define TINYOPS_DELTA_RATE 5u
#define TINYOPS_DELTA_RATE_FLAGS 4u
#define TINYOPS_DELTA_LENGTHS 32u
#define TINYOPS_DELTA_HISTORIES 16u
#define TINYOPS_DELTA_VALUES 256u

#endif
