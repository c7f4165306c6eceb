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

/* output (out) = input (in) with a border, byte by byte. Both are gone through in order: `output`
 * may start as far before `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_pad(const tinyops_pad_params *p, const void *input, void *output);

#define TINYOPS_COPY_LOOPS 5

/* Everything in bytes. */
typedef struct {
  int32_t input_start;
  int32_t output_start;
  int32_t run;                             /* side by side in both */
  int32_t extent[TINYOPS_COPY_LOOPS];      /* the outermost loop first; 1 where there is none */
  int32_t input_step[TINYOPS_COPY_LOOPS];  /* 0: the same again; below 0: backwards */
  int32_t output_step[TINYOPS_COPY_LOOPS]; /* no byte is written twice */
} tinyops_copy_params;

/* Copies runs in five nested loops: parts of a tensor, other orders of its dimensions, repetitions.
 * Runs are copied in the order of the loops, each from its front: `output` may start as far before
 * `input` as overlap.py computes from that. */
TINYOPS_INTERNAL void tinyops_copy(const tinyops_copy_params *p, const void *input, void *output);

#define TINYOPS_PICK_TABLES 4

typedef struct {
  int32_t extent[TINYOPS_PICK_TABLES]; /* of the output, in runs, the outermost first */
  int32_t run;                         /* bytes side by side */
} tinyops_pick_params;

/* output (extent[0], ..., extent[3], run): the run at (a, b, c, d) is the one of the input at the
 * sum of four byte offsets, one from each table. `offsets` holds the tables one after another. The
 * output is written in order: it may start as far before `input` as overlap.py computes. */
TINYOPS_INTERNAL void tinyops_pick(const tinyops_pick_params *p, const void *input,
                                   const int32_t *offsets, void *output);

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
