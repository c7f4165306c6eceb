#include "tinyops/features/mel.h"

#include "tinyops/features/scalar.h"

enum { WEIGHT_BITS = 15 };

/* What is lost below the last bit of `power` counts as that bit, so that silence beside a loud band
 * has a floor and no cliff. */
static const uint64_t LEAST = (uint64_t)1 << WEIGHT_BITS;

void tinyops_mel(const tinyops_mel_params *p, const uint16_t *starts, const uint16_t *rises,
                 const uint16_t *log_table, const uint32_t *power, int32_t exponent,
                 int16_t *result) {
  uint64_t risen = 0; /* what band j - 1 has of the bins before edge j */
  for (int32_t j = 0; j <= p->bands; ++j) {
    uint64_t total = 0, rising = 0;
    for (int32_t k = starts[j]; k < (int32_t)starts[j + 1]; ++k) {
      total += power[k];
      rising += (uint64_t)power[k] * rises[k - starts[0]];
    }
    if (j > 0) {
      const uint64_t energy = risen + (total << WEIGHT_BITS) - rising;
      const int32_t scale = (exponent - WEIGHT_BITS) * TINYOPS_LOG_UNITS;
      const int32_t value = tinyops_log2(energy > LEAST ? energy : LEAST, log_table) + scale;
      result[(j - 1) * p->stride] = tinyops_saturate16(value < 0 ? 0 : value);
    }
    risen = rising;
  }
}

void tinyops_cosine(const tinyops_cosine_params *p, const int16_t *cosines, const int16_t *inputs,
                    int16_t *result) {
  for (int32_t k = 0; k < p->outputs; ++k) {
    int64_t sum = 0;
    for (int32_t m = 0; m < p->inputs; ++m) {
      sum += (int32_t)inputs[m] * cosines[k * p->inputs + m];
    }
    const int64_t scaled = sum * (k == 0 ? p->first : p->rest);
    const int64_t value = (scaled + ((int64_t)1 << 44)) >> 45;
    result[k * p->stride] =
        (int16_t)(value < INT16_MIN ? INT16_MIN : (value > INT16_MAX ? INT16_MAX : value));
  }
}
