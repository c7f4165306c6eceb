#include "tinyops/features/statistics.h"

#include "tinyops/features/scalar.h"

typedef struct {
  int64_t sum;
  int64_t squares;
  int16_t minimum;
  int16_t maximum;
} totals;

static totals add_up(const tinyops_statistics_params *p, const int16_t *samples) {
  totals t = {0, 0, INT16_MAX, INT16_MIN};
  for (int32_t n = 0; n < p->length; ++n) {
    const int16_t x = samples[n * p->channels];
    t.sum += x;
    t.squares += (int32_t)x * x;
    t.minimum = x < t.minimum ? x : t.minimum;
    t.maximum = x > t.maximum ? x : t.maximum;
  }
  return t;
}

/* Neighbours on different sides of level / length. */
static int32_t crossings(const tinyops_statistics_params *p, const int16_t *samples,
                         int64_t level) {
  int32_t found = 0;
  int32_t was_below = (int64_t)samples[0] * p->length < level;
  for (int32_t n = 1; n < p->length; ++n) {
    const int32_t is_below = (int64_t)samples[n * p->channels] * p->length < level;
    found += is_below != was_below;
    was_below = is_below;
  }
  return found;
}

/* The root of a quotient of up to 2^46, to the nearest count. */
static int32_t rounded_root(int64_t quotient) {
  return (int32_t)((tinyops_root((uint64_t)quotient * 4) + 1) / 2);
}

static int32_t rounded_mean(int64_t sum, int32_t length) {
  const int64_t doubled = 2 * sum + length;
  const int64_t quotient = doubled / (2 * (int64_t)length);
  return (int32_t)(doubled < 0 && quotient * 2 * length != doubled ? quotient - 1 : quotient);
}

static int32_t statistic(const tinyops_statistics_params *p, const totals *t,
                         const int16_t *samples, uint8_t kind) {
  const int64_t length = p->length;
  switch (kind) {
    case TINYOPS_STATISTIC_MEAN:
      return rounded_mean(t->sum, p->length);
    case TINYOPS_STATISTIC_DEVIATION:
      return rounded_root((length * t->squares - t->sum * t->sum) / (length * length));
    case TINYOPS_STATISTIC_RMS:
      return rounded_root(t->squares / length);
    case TINYOPS_STATISTIC_MINIMUM:
      return t->minimum;
    case TINYOPS_STATISTIC_MAXIMUM:
      return t->maximum;
    case TINYOPS_STATISTIC_ZERO_CROSSINGS:
      return crossings(p, samples, 0);
    default:
      return crossings(p, samples, t->sum);
  }
}

void tinyops_statistics(const tinyops_statistics_params *p, const uint8_t *kinds,
                        const int16_t *samples, int16_t *row) {
  for (int32_t c = 0; c < p->channels; ++c) {
    const totals t = add_up(p, samples + c);
    for (int32_t k = 0; k < p->count; ++k) {
      row[k * p->channels + c] = tinyops_saturate16(statistic(p, &t, samples + c, kinds[k]));
    }
  }
}
