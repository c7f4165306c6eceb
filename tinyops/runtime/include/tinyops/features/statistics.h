/* Statistics of a run of samples, in counts. Roots are rounded to the nearest count. */
#ifndef TINYOPS_FEATURES_STATISTICS_H
#define TINYOPS_FEATURES_STATISTICS_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef enum {
  TINYOPS_STATISTIC_MEAN = 0,
  TINYOPS_STATISTIC_DEVIATION = 1, /* root of the mean square distance from the mean */
  TINYOPS_STATISTIC_RMS = 2,
  TINYOPS_STATISTIC_MINIMUM = 3,
  TINYOPS_STATISTIC_MAXIMUM = 4,
  TINYOPS_STATISTIC_ZERO_CROSSINGS = 5, /* neighbours of which one is below 0 and one is not */
  TINYOPS_STATISTIC_MEAN_CROSSINGS = 6  /* the same around the mean */
} tinyops_statistic;

typedef struct {
  int32_t length;   /* samples of a channel, 1..65536 */
  int32_t channels; /* samples are (length, channels) */
  int32_t count;    /* statistics of each channel */
} tinyops_statistics_params;

/* row (count, channels): the statistics `kinds` (count) of samples (length, channels). */
TINYOPS_INTERNAL void tinyops_statistics(const tinyops_statistics_params *p, const uint8_t *kinds,
                                         const int16_t *samples, int16_t *row);

#endif
