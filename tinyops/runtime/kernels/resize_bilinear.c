#include "tinyops/kernels/resize_bilinear.h"

#define ONE TINYOPS_RESIZE_ONE

/* Between two rows (or columns): `weight` parts of 1024 of `high`, the rest of `low`. */
typedef struct {
  int32_t low, high, weight;
} place;

static place place_of(int32_t index, int32_t scale, int32_t half_pixel, int32_t extent) {
  const int32_t at = index * scale + (half_pixel ? scale / 2 - ONE / 2 : 0);
  place found = {at > 0 ? at / ONE : 0, (at + ONE - 1) / ONE, 0};
  found.high = found.high < extent ? found.high : extent - 1;
  found.weight = at - found.low * ONE;
  return found;
}

/* value / 2^20, rounded half away from zero. */
static int8_t rounded(int32_t value) {
  return (int8_t)((value > 0 ? value + ONE * ONE / 2 : value - ONE * ONE / 2) / (ONE * ONE));
}

void tinyops_resize_bilinear(const tinyops_resize_bilinear_params *p, const int8_t *input,
                             int8_t *output) {
  const int32_t row = p->in_w * p->channels;
  for (int32_t oy = 0; oy < p->out_h; ++oy) {
    const place y = place_of(oy, p->scale_h, p->half_pixel, p->in_h);
    const int8_t *upper = input + y.low * row;
    const int8_t *lower = input + y.high * row;
    for (int32_t ox = 0; ox < p->out_w; ++ox) {
      const place x = place_of(ox, p->scale_w, p->half_pixel, p->in_w);
      const int32_t left = x.low * p->channels;
      const int32_t right = x.high * p->channels;
      for (int32_t c = 0; c < p->channels; ++c) {
        /* In front of the first row a weight is negative, and `low` and `high` are the same. */
        const int32_t above = upper[left + c] * (ONE - x.weight) + upper[right + c] * x.weight;
        const int32_t below = lower[left + c] * (ONE - x.weight) + lower[right + c] * x.weight;
        *output++ = rounded(above * (ONE - y.weight) + below * y.weight);
      }
    }
  }
}
