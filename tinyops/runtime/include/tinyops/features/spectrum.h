/* Spectra: a window, a real FFT in 32 bits, and what is made of its bins.
 *
 * bins[2k], bins[2k+1] are the real and imaginary part of bin k, k in 0..points/2, scaled:
 *     X[k] = sum over n of samples[n] * window[n] * exp(-2 pi i k n / points),   window up to 1
 *     bin k = X[k] * 2^15 / points
 * Each of the log2(points) halvings rounds down once, so a bin is right within a few units: 90 dB
 * below one count.
 */
#ifndef TINYOPS_FEATURES_SPECTRUM_H
#define TINYOPS_FEATURES_SPECTRUM_H

#include <stdint.h>

#include "tinyops/internal.h"

typedef struct {
  int32_t length; /* samples under the window, at most points */
  int32_t points; /* of the FFT: a power of two from 16 */
  int32_t stride; /* from one sample to the next: channels of a frame */
} tinyops_spectrum_params;

/* Fills bins (points/2 + 1 pairs). `window` holds the first length/2 + 1 values times 2^15, the
 * rest mirrors them: window[n] = window[length - n]. `twiddles` holds points/2 pairs: -cos and -sin
 * of 2 pi k / points, times 2^15. */
TINYOPS_INTERNAL void tinyops_spectrum(const tinyops_spectrum_params *p, const uint16_t *window,
                                       const int16_t *twiddles, const int16_t *samples,
                                       int32_t *bins);

/* Replaces bins by their powers: |X[k]|^2 = power[k] * 2^e, power[k] (points/2 + 1) lying where the
 * bins were, the largest from 2^28 to 2^31. Returns e, which is even. */
TINYOPS_INTERNAL int32_t tinyops_spectrum_power(const tinyops_spectrum_params *p, int32_t *bins,
                                                uint32_t *power);

typedef struct {
  int32_t first;     /* bin */
  int32_t count;     /* bins */
  int32_t channels;  /* row is (count, channels) */
  int32_t amplitude; /* 2 / (sum of the window) * 2^30: a tone's |X| to its amplitude */
} tinyops_bins_params;

/* row[k * channels] = amplitude in counts of bin first + k. */
TINYOPS_INTERNAL void tinyops_spectrum_magnitudes(const tinyops_bins_params *p,
                                                  const uint32_t *power, int32_t exponent,
                                                  int16_t *row);

/* row[k * channels] = log2(|X[first + k]|^2) in TINYOPS_LOG_UNITS, 0 below 1. */
TINYOPS_INTERNAL void tinyops_spectrum_logarithms(const tinyops_bins_params *p,
                                                  const uint16_t *log_table, const uint32_t *power,
                                                  int32_t exponent, int16_t *row);

#endif
