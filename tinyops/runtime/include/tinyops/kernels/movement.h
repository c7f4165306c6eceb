/* Operators that move bytes: padding, concatenation, lookup tables. */
#ifndef TINYOPS_KERNELS_MOVEMENT_H
#define TINYOPS_KERNELS_MOVEMENT_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t in[4];     /* extents of the input */
  int32_t before[4]; /* elements added in front, per dimension */
  int32_t out[4];    /* extents of the output */
  int32_t value;     /* what is added */
} tinyops_pad_params;

/* output (out) = input (in) with a border. Both are gone through in order: `output` may start as
 * far before `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_pad(const tinyops_pad_params *p, const int8_t *input, int8_t *output);

typedef struct {
  int32_t rows;
  int32_t bytes;  /* copied in each row */
  int32_t stride; /* bytes from one row of the output to the next */
  int32_t offset; /* of this input's part in a row of the output */
} tinyops_copy_params;

/* One input of a concatenation: (rows, bytes) into columns of (rows, stride). */
TINYOPS_INTERNAL void tinyops_copy(const tinyops_copy_params *p, const void *input, void *output);

typedef struct {
  int32_t count;
} tinyops_lookup_params;

/* output (count) = table[input], the input byte read as unsigned. In place, or with
 * `output` before `input`, is allowed. */
TINYOPS_INTERNAL void tinyops_lookup(const tinyops_lookup_params *p, const void *input,
                                     const uint8_t *table, void *output);

typedef struct {
  int32_t blocks; /* of 16 bytes */
} tinyops_move_params;

/* Copies whole blocks inside the arena. Both addresses are multiples of 16; the two may overlap. */
TINYOPS_INTERNAL void tinyops_move(const tinyops_move_params *p, const void *input, void *output);

#endif
