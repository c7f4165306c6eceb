#include "tinyops/kernels/resize_bilinear.h"

#define ONE ((int32_t)TINYOPS_RESIZE_ONE)

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

/* One output pixel between four of the input, with weights whose sum is 2^20. In front of the first
 * row or column a weight is negative; then both rows or columns are the same one. */
static int8_t *mix(const int8_t *const pixel[4], const int32_t weight[4], int32_t channels,
                   int8_t *output) {
  const int8_t *a = pixel[0], *b = pixel[1], *c = pixel[2], *d = pixel[3];
  for (int32_t i = 0; i < channels; ++i) {
    output[i] = rounded(a[i] * weight[0] + b[i] * weight[1] + c[i] * weight[2] + d[i] * weight[3]);
  }
  return output + channels;
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
      const int8_t *const pixel[4] = {upper + left, upper + right, lower + left, lower + right};
      const int32_t weight[4] = {(ONE - y.weight) * (ONE - x.weight), (ONE - y.weight) * x.weight,
                                 y.weight * (ONE - x.weight), y.weight * x.weight};
      output = mix(pixel, weight, p->channels, output);
    }
  }
}
