/* Bands on the mel scale, and their cosine transform.
 *
 * Band b is a triangle over the mel scale that rises from edge b to edge b + 1 and falls to edge b
 * + 2: between two edges each bin belongs to two bands, with weights that sum to 1.
 */
#ifndef TINYOPS_FEATURES_MEL_H
#define TINYOPS_FEATURES_MEL_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t bands;
  int32_t stride; /* from one band to the next in the result */
} tinyops_mel_params;

/* result[b * stride] = log2 of the power in band b in TINYOPS_LOG_UNITS, 0 below 1.
 * `power` and `exponent` are those of tinyops_spectrum_power. Bins starts[j] .. starts[j + 1] - 1
 * lie between edges j and j + 1 (bands + 2 entries); `rises` holds the rising weight of each bin
 * from starts[0] on, times 2^15. */
TINYOPS_INTERNAL void tinyops_mel(const tinyops_mel_params *p, const uint16_t *starts,
                                  const uint16_t *rises, const uint16_t *log_table,
                                  const uint32_t *power, int32_t exponent, int16_t *result);

typedef struct {
  int32_t inputs;
  int32_t outputs;
  int32_t stride; /* from one output to the next in the result */
  int32_t first;  /* factor of output 0, times 2^30 */
  int32_t rest;   /* factor of the others, times 2^30 */
} tinyops_cosine_params;

/* result[k * stride] = factor * sum over m of inputs[m] * cosines[k * inputs + m] / 2^15, rounded
 * and saturated. */
TINYOPS_INTERNAL void tinyops_cosine(const tinyops_cosine_params *p, const int16_t *cosines,
                                     const int16_t *inputs, int16_t *result);

#endif
