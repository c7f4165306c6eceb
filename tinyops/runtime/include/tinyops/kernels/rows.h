/* Operators that run strip by strip: which rows each of them makes next, and where its rows lie.
 *
 * A line is a tensor (1, height, width, channels) of which only some rows exist at a time. In each
 * strip every operator of the stretch makes as many rows as its inputs allow, `most` at the most.
 * Rows that are needed again are copied aside before anything may be written over them, and copied
 * back before the next rows are made: no row is computed twice. */
#ifndef TINYOPS_KERNELS_ROWS_H
#define TINYOPS_KERNELS_ROWS_H

#include <stdint.h>

#include "tinyops/internal.h"

enum { TINYOPS_ROWS_INPUTS = 2 };

typedef struct {
  int32_t rows; /* where operators work on its rows; offset in the arena */
  int32_t kept; /* where rows lie between two strips; -1: they stay where they are */
  int32_t row_bytes;
  int32_t height;
  int32_t room; /* rows that fit in */
} tinyops_rows_line;

/* Lies in the arena, one a line. */
typedef struct {
  int16_t origin; /* which row is the first at `rows` */
  int16_t end;    /* rows that have been made so far */
  int16_t needed; /* the first row that something still reads */
  int16_t reserved;
} tinyops_rows_state;

/* An operator. Row y of its output looks at rows y * stride - pad_top .. + reach - 1 of its inputs.
 */
typedef struct {
  int16_t inputs[TINYOPS_ROWS_INPUTS]; /* lines, by number; -1: none */
  int16_t output;
  int16_t opens;  /* bit i: no operator before this one reads input i in a strip */
  int16_t closes; /* bit i: none behind it does */
  int16_t reach, stride, pad_top;
  int16_t most; /* rows in a strip */
} tinyops_rows_step;

/* What an operator does in a strip: an image of in_h rows with padding of its own. */
typedef struct {
  const uint8_t *input[TINYOPS_ROWS_INPUTS];
  uint8_t *output;
  int32_t in_h, out_h, pad_top;
} tinyops_rows_strip;

/* Before the first strip: `count` lines without rows, but for the first `whole`, which have all. */
TINYOPS_INTERNAL void tinyops_rows_reset(const tinyops_rows_line *lines, tinyops_rows_state *states,
                                         int32_t count, int32_t whole);

/* Returns 1 while the lines from `first` to `last`, which others read, lack rows and there is
 * something to do: line 0 is full, or all its rows have come. */
TINYOPS_INTERNAL int32_t tinyops_rows_due(const tinyops_rows_line *lines,
                                          const tinyops_rows_state *states, int32_t first,
                                          int32_t last);

/* Adds a row to a line from outside. The first returns where its row_bytes bytes belong; the second
 * copies them there. */
TINYOPS_INTERNAL uint8_t *tinyops_rows_add(const tinyops_rows_line *line, tinyops_rows_state *state,
                                           uint8_t *arena);
TINYOPS_INTERNAL void tinyops_rows_take(const tinyops_rows_line *line, tinyops_rows_state *state,
                                        uint8_t *arena, const uint8_t *row);

/* Prepares an operator's part of a strip. Returns 0 when there are no rows to make; after 1, the
 * caller makes strip->out_h rows at once. */
TINYOPS_INTERNAL int32_t tinyops_rows_begin(const tinyops_rows_line *lines,
                                            tinyops_rows_state *states,
                                            const tinyops_rows_step *step, uint8_t *arena,
                                            tinyops_rows_strip *strip);

#endif
