#include "tinyops/features/spectrum.h"

#include "tinyops/features/scalar.h"

/* Windowed samples: even ones are the real parts, odd ones the imaginary parts of points / 2
 * numbers.
 */
static void load(const tinyops_spectrum_params *p, const uint16_t *window, const int16_t *samples,
                 int32_t *bins) {
  const int32_t middle = p->length / 2;
  int32_t n = 0;
  for (; n <= middle && n < p->length; ++n, samples += p->stride) {
    bins[n] = *samples * (int32_t)window[n];
  }
  for (; n < p->length; ++n, samples += p->stride) {
    bins[n] = *samples * (int32_t)window[p->length - n];
  }
  for (; n < p->points; ++n) {
    bins[n] = 0;
  }
}

/* Puts number k where the bits of k, reversed, say. */
static void reverse_bits(int32_t half, int32_t *z) {
  int32_t reversed = 0;
  for (int32_t k = 0; k < half; ++k) {
    if (k < reversed) {
      const int32_t re = z[2 * k], im = z[2 * k + 1];
      z[2 * k] = z[2 * reversed];
      z[2 * k + 1] = z[2 * reversed + 1];
      z[2 * reversed] = re;
      z[2 * reversed + 1] = im;
    }
    int32_t bit = half >> 1;
    while ((reversed & bit) != 0) {
      reversed ^= bit;
      bit >>= 1;
    }
    reversed |= bit;
  }
}

/* The first two stages, whose factors are 1 and -i: four numbers at a time, divided by 4. */
static void first_stages(int32_t half, int32_t *z) {
  for (const int32_t *end = z + 2 * half; z < end; z += 8) {
    const int32_t sum_r = (z[0] >> 2) + (z[2] >> 2), sum_i = (z[1] >> 2) + (z[3] >> 2);
    const int32_t far_r = (z[0] >> 2) - (z[2] >> 2), far_i = (z[1] >> 2) - (z[3] >> 2);
    const int32_t sum2_r = (z[4] >> 2) + (z[6] >> 2), sum2_i = (z[5] >> 2) + (z[7] >> 2);
    const int32_t far2_r = (z[4] >> 2) - (z[6] >> 2), far2_i = (z[5] >> 2) - (z[7] >> 2);
    z[0] = sum_r + sum2_r;
    z[1] = sum_i + sum2_i;
    z[2] = far_r + far2_i;
    z[3] = far_i - far2_r;
    z[4] = sum_r - sum2_r;
    z[5] = sum_i - sum2_i;
    z[6] = far_r - far2_i;
    z[7] = far_i + far2_r;
  }
}

/* One stage of butterflies over `span` numbers each, divided by 2. */
static void stage(int32_t half, int32_t span, const int16_t *twiddles, int32_t *z) {
  const int32_t jump = 2 * (2 * half / span); /* in the table, which is for 2 * half points */
  const int32_t *end = z + 2 * half;
  for (int32_t k = 0; k < span / 2; ++k) {
    const int32_t c = twiddles[k * jump], s = twiddles[k * jump + 1];
    for (int32_t *a = z + 2 * k; a < end; a += 2 * span) {
      int32_t *b = a + span;
      const int32_t re = tinyops_scale_by(b[0], c) + tinyops_scale_by(b[1], s);
      const int32_t im = tinyops_scale_by(b[1], c) - tinyops_scale_by(b[0], s);
      const int32_t ar = a[0] >> 1, ai = a[1] >> 1;
      a[0] = ar - re;
      a[1] = ai - im;
      b[0] = ar + re;
      b[1] = ai + im;
    }
  }
}

/* Bins of the real signal from those of its even and odd samples, divided by 2. */
static void separate(int32_t half, const int16_t *twiddles, int32_t *z) {
  const int32_t real = z[0] >> 1, imaginary = z[1] >> 1;
  z[0] = real + imaginary;
  z[1] = 0;
  z[2 * half] = real - imaginary;
  z[2 * half + 1] = 0;
  for (int32_t k = 1; 2 * k <= half; ++k) {
    int32_t *a = z + 2 * k, *b = z + 2 * (half - k);
    const int32_t c = twiddles[2 * k], s = twiddles[2 * k + 1];
    const int32_t even_r = ((a[0] >> 1) + (b[0] >> 1)) >> 1;
    const int32_t even_i = ((a[1] >> 1) - (b[1] >> 1)) >> 1;
    const int32_t dr = (a[0] >> 1) - (b[0] >> 1), di = (a[1] >> 1) + (b[1] >> 1);
    const int32_t odd_r = tinyops_scale_by(dr, s) - tinyops_scale_by(di, c);
    const int32_t odd_i = tinyops_scale_by(di, s) + tinyops_scale_by(dr, c);
    b[0] = even_r - odd_r;
    b[1] = odd_i - even_i;
    a[0] = even_r + odd_r;
    a[1] = even_i + odd_i;
  }
}

void tinyops_spectrum(const tinyops_spectrum_params *p, const uint16_t *window,
                      const int16_t *twiddles, const int16_t *samples, int32_t *bins) {
  const int32_t half = p->points / 2;
  load(p, window, samples, bins);
  reverse_bits(half, bins);
  first_stages(half, bins);
  for (int32_t span = 8; span <= half; span *= 2) {
    stage(half, span, twiddles, bins);
  }
  separate(half, twiddles, bins);
}

int32_t tinyops_spectrum_power(const tinyops_spectrum_params *p, int32_t *bins, uint32_t *power) {
  uint32_t all = 0;
  for (int32_t i = 0; i < p->points + 2; ++i) {
    all |= (uint32_t)(bins[i] ^ (bins[i] >> 31));
  }
  const int32_t room = all == 0 ? 30 : tinyops_leading_zeros(all) - 1;
  const int32_t factor = (int32_t)1 << room;
  for (int32_t k = 0; 2 * k <= p->points; ++k) {
    const int64_t re = bins[2 * k] * factor, im = bins[2 * k + 1] * factor;
    power[k] = (uint32_t)(((uint64_t)(re * re) + (uint64_t)(im * im)) >> 32);
  }
  /* 2^32 of the shift above, (points / 2^15)^2 of the bins' scale, 2^(2 room) of the factor. */
  return 32 - 30 + 2 * (31 - tinyops_leading_zeros((uint32_t)p->points)) - 2 * room;
}

void tinyops_spectrum_magnitudes(const tinyops_bins_params *p, const uint32_t *power,
                                 int32_t exponent, int16_t *row) {
  for (int32_t k = 0; k < p->count; ++k) {
    const uint32_t x = power[p->first + k];
    const int32_t spare = tinyops_leading_zeros(x) & 30; /* even: halved under the root */
    const uint32_t below = tinyops_root(x << spare);
    const int64_t root = (int64_t)below + ((x << spare) - below * below > below); /* the nearest */
    const int32_t wanted = 30 - (exponent - spare) / 2;
    const int32_t shift = wanted > 62 ? 62 : wanted;
    const int64_t value = (root * p->amplitude + ((int64_t)1 << (shift - 1))) >> shift;
    row[k * p->channels] = (int16_t)(value > INT16_MAX ? INT16_MAX : value);
  }
}

void tinyops_spectrum_logarithms(const tinyops_bins_params *p, const uint16_t *log_table,
                                 const uint32_t *power, int32_t exponent, int16_t *row) {
  for (int32_t k = 0; k < p->count; ++k) {
    const int32_t value =
        tinyops_log2(power[p->first + k], log_table) + exponent * TINYOPS_LOG_UNITS;
    row[k * p->channels] = tinyops_saturate16(value < 0 ? 0 : value);
  }
}
