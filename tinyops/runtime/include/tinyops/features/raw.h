/* Raw features: a window of sensor frames, normalised to int8 when they arrive.
 *
 * The input value of a count is
 *     clamp(floor(((count - offset) * multiplier + 2^(shift-1)) / 2^shift) + zero_point, -128, 127)
 * in 64-bit integers: one rounding, halves upward. The same source runs on the device and, on the
 * host, where training and calibration call it.
 */
#ifndef TINYOPS_FEATURES_RAW_H
#define TINYOPS_FEATURES_RAW_H

#include <stdint.h>

#include "tinyops/internal.h"

/* Training's library, which is made of this source alone, exports the arithmetic. */
#ifdef TINYOPS_FEATURE_LIBRARY
#define TINYOPS_RAW_API TINYOPS_EXPORT
#else
#define TINYOPS_RAW_API TINYOPS_INTERNAL
#endif

/* One channel's factor gain / input scale as multiplier * 2^-shift; multiplier in [2^30, 2^31),
 * shift in 1..62. */
typedef struct {
  int32_t offset;
  int32_t multiplier;
  int32_t shift;
} tinyops_raw_channel;

typedef struct {
  int32_t frame_values;  /* int16 values in a frame */
  int32_t window_frames; /* frames in the input tensor */
  int32_t hop_frames;    /* frames between two inferences */
  int32_t channels;      /* value i of a frame belongs to channel i % channels */
  int32_t zero_point;    /* of the input tensor */
} tinyops_raw_params;

/* Lies in the arena, followed by the ring: int8 (window_frames, frame_values). */
typedef struct {
  int32_t next;      /* where the next frame goes in the ring */
  int32_t until_due; /* frames that are missing for the next inference */
  int32_t complete;  /* 1 once a whole window has come */
  int32_t reserved;
} tinyops_raw_state;

/* output (frames, frame_values) of counts (frames, frame_values). */
TINYOPS_RAW_API void tinyops_raw_quantise(const tinyops_raw_params *p,
                                          const tinyops_raw_channel *channels,
                                          const int16_t *counts, int32_t frames, int8_t *output);

/* Forgets all frames. */
TINYOPS_INTERNAL void tinyops_raw_init(const tinyops_raw_params *p, tinyops_raw_state *state);

/* Adds a frame. Returns 1 when an inference is due, else 0. */
TINYOPS_INTERNAL int32_t tinyops_raw_push(const tinyops_raw_params *p,
                                          const tinyops_raw_channel *channels,
                                          tinyops_raw_state *state, int8_t *ring,
                                          const int16_t *frame);

/* Copies the newest window to input (window_frames, frame_values), oldest frame first.
 * Returns 1, or 0 when no whole window has come yet. */
TINYOPS_INTERNAL int32_t tinyops_raw_prepare(const tinyops_raw_params *p,
                                             const tinyops_raw_state *state, const int8_t *ring,
                                             int8_t *input);

#endif
