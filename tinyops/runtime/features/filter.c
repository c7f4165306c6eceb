#include "tinyops/features/filter.h"

#include "tinyops/features/scalar.h"

enum { COEFFICIENT_BITS = 30, VALUE_BITS = 12 };

static const int32_t LARGEST = (int32_t)1 << 29;

static int32_t section_step(const tinyops_filter_section *c, tinyops_filter_state *s, int32_t x) {
  const int64_t sum = (int64_t)c->b0 * x + (int64_t)c->b1 * s->x1 + (int64_t)c->b2 * s->x2 -
                      (int64_t)c->a1 * s->y1 - (int64_t)c->a2 * s->y2 + s->rest;
  const int64_t wide = sum >> COEFFICIENT_BITS;
  const int32_t y = (int32_t)(wide > LARGEST ? LARGEST : (wide < -LARGEST ? -LARGEST : wide));
  s->rest = (int32_t)((uint32_t)sum & (((uint32_t)1 << COEFFICIENT_BITS) - 1));
  s->x2 = s->x1;
  s->x1 = x;
  s->y2 = s->y1;
  s->y1 = y;
  return y;
}

int16_t tinyops_filter_step(const tinyops_filter_section *sections, int32_t count,
                            tinyops_filter_state *states, int16_t sample) {
  int32_t value = (int32_t)sample * ((int32_t)1 << VALUE_BITS);
  for (int32_t i = 0; i < count; ++i) {
    value = section_step(&sections[i], &states[i], value);
  }
  return tinyops_saturate16((value + ((int32_t)1 << (VALUE_BITS - 1))) >> VALUE_BITS);
}
