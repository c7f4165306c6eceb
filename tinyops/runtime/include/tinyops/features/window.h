/* The window that a model looks at: rows of feature values, normalised to int8 when they arrive.
 *
 * A row is what features make of one or more sensor frames; of raw features it is the frame itself.
 * The input value of an int16 value is
 *     clamp(floor(((value - offset) * multiplier + 2^(shift-1)) / 2^shift) + zero_point, -128, 127)
 * in 64-bit integers: one rounding, halves upward. The same source runs on the device and, on the
 * host, where training and calibration call it.
 */
#ifndef TINYOPS_FEATURES_WINDOW_H
#define TINYOPS_FEATURES_WINDOW_H

#include <stdint.h>

#include "tinyops/internal.h"

/* One channel's factor gain / input scale as multiplier * 2^-shift; multiplier in [2^30, 2^31),
 * shift in 1..62. */
typedef struct {
  int32_t offset;
  int32_t multiplier;
  int32_t shift;
} tinyops_window_channel;

typedef struct {
  int32_t row_values;    /* int16 values in a row */
  int32_t rows;          /* in the input tensor */
  int32_t window_frames; /* frames until the first inference is due */
  int32_t hop_frames;    /* frames between two inferences */
  int32_t channels;      /* value i of a row belongs to channel i % channels */
  int32_t zero_point;    /* of the input tensor */
} tinyops_window_params;

/* Lies in the arena. The window itself is the input tensor, int8 (rows, row_values): a ring while
 * rows come, and in order of time when the model runs. */
typedef struct {
  int32_t next;      /* the row that the next one is written over */
  int32_t until_due; /* frames that are missing for the next inference */
  int32_t complete;  /* 1 once a whole window has come */
  int32_t reserved;
} tinyops_window_state;

/* output (rows, row_values) of values (rows, row_values). */
TINYOPS_FEATURE void tinyops_window_quantise(const tinyops_window_params *p,
                                             const tinyops_window_channel *channels,
                                             const int16_t *values, int32_t rows, int8_t *output);

/* Forgets all rows. */
TINYOPS_INTERNAL void tinyops_window_init(const tinyops_window_params *p,
                                          tinyops_window_state *state);

/* Adds a row over the oldest one. */
TINYOPS_INTERNAL void tinyops_window_add(const tinyops_window_params *p,
                                         const tinyops_window_channel *channels,
                                         tinyops_window_state *state, int8_t *window,
                                         const int16_t *row);

/* Counts a frame. Returns 1 when an inference is due, else 0. */
TINYOPS_INTERNAL int32_t tinyops_window_count(const tinyops_window_params *p,
                                              tinyops_window_state *state);

/* Turns the window so that its oldest row comes first.
 * Returns 1, or 0 when no whole window has come yet. */
TINYOPS_INTERNAL int32_t tinyops_window_prepare(const tinyops_window_params *p,
                                                tinyops_window_state *state, int8_t *window);

/* The model may have written over the rows that are not in the next window: none is due before they
 * are new. */
TINYOPS_INTERNAL void tinyops_window_use_up(const tinyops_window_params *p,
                                            tinyops_window_state *state);

#endif
