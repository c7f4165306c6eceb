/* Filters: biquads one after another, each in direct form I.
 *
 *     y[n] = b0 x[n] + b1 x[n-1] + b2 x[n-2] - a1 y[n-1] - a2 y[n-2]
 *
 * Values between sections are counts with 12 more bits, saturated at four times full scale. What
 * rounding cuts off an output is added to the next one, so that a pole near 1 does not turn it into
 * an offset.
 */
#ifndef TINYOPS_FEATURES_FILTER_H
#define TINYOPS_FEATURES_FILTER_H

#include <stdint.h>

#include "tinyops/internal.h"

/* Coefficients times 2^30. */
typedef struct {
  int32_t b0;
  int32_t b1;
  int32_t b2;
  int32_t a1;
  int32_t a2;
} tinyops_filter_section;

/* Of one section and one channel; zero to begin with. */
typedef struct {
  int32_t x1;
  int32_t x2;
  int32_t y1;
  int32_t y2;
  int32_t rest;
} tinyops_filter_state;

/* The next output of `count` sections for the input `sample`, rounded and saturated. */
TINYOPS_INTERNAL int16_t tinyops_filter_step(const tinyops_filter_section *sections, int32_t count,
                                             tinyops_filter_state *states, int16_t sample);

#endif
