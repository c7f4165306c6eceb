/* Samples that wait for a row to be complete: each row looks at the newest `length` samples of
 * every channel, every `step` samples.
 */
#ifndef TINYOPS_FEATURES_SAMPLES_H
#define TINYOPS_FEATURES_SAMPLES_H

#include <stdint.h>

#include "tinyops/features/filter.h"
#include "tinyops/internal.h"

typedef struct {
  int32_t channels;
  int32_t length;   /* samples of a channel that a row looks at */
  int32_t step;     /* samples from one row to the next, at most length */
  int32_t sections; /* biquads that each sample passes; 0: none */
} tinyops_samples_params;

/* Takes samples (count, channels) until `length` are held, filters them, and counts them in *held.
 * `states` is (channels, sections), `kept` (length, channels). Returns how many it took. */
TINYOPS_INTERNAL int32_t tinyops_samples_take(const tinyops_samples_params *p,
                                              const tinyops_filter_section *sections,
                                              tinyops_filter_state *states, int32_t *held,
                                              int16_t *kept, const int16_t *samples, int32_t count);

/* After a row: forgets the oldest `step` samples. */
TINYOPS_INTERNAL void tinyops_samples_advance(const tinyops_samples_params *p, int32_t *held,
                                              int16_t *kept);

#endif
