#include "tinyops/features/raw.h"

#include <string.h>

static int8_t quantise(int16_t count, const tinyops_raw_channel *c, int32_t zero_point) {
  const int64_t half = (int64_t)1 << (c->shift - 1);
  const int64_t scaled = (((int64_t)count - c->offset) * c->multiplier + half) >> c->shift;
  const int64_t value = scaled + zero_point;
  return (int8_t)(value < INT8_MIN ? INT8_MIN : (value > INT8_MAX ? INT8_MAX : value));
}

void tinyops_raw_quantise(const tinyops_raw_params *p, const tinyops_raw_channel *channels,
                          const int16_t *counts, int32_t frames, int8_t *output) {
  for (int32_t f = 0; f < frames; ++f) {
    int32_t channel = 0;
    for (int32_t i = 0; i < p->frame_values; ++i) {
      *output++ = quantise(*counts++, &channels[channel], p->zero_point);
      channel = channel + 1 == p->channels ? 0 : channel + 1;
    }
  }
}

void tinyops_raw_init(const tinyops_raw_params *p, tinyops_raw_state *state) {
  state->next = 0;
  state->until_due = p->window_frames;
  state->complete = 0;
  state->reserved = 0;
}

int32_t tinyops_raw_push(const tinyops_raw_params *p, const tinyops_raw_channel *channels,
                         tinyops_raw_state *state, int8_t *ring, const int16_t *frame) {
  tinyops_raw_quantise(p, channels, frame, 1, ring + state->next * p->frame_values);
  state->next = state->next + 1 == p->window_frames ? 0 : state->next + 1;
  state->until_due -= 1;
  if (state->until_due > 0) {
    return 0;
  }
  state->until_due = p->hop_frames;
  state->complete = 1;
  return 1;
}

int32_t tinyops_raw_prepare(const tinyops_raw_params *p, const tinyops_raw_state *state,
                            const int8_t *ring, int8_t *input) {
  if (!state->complete) {
    return 0;
  }
  /* The oldest frame is the one that will be overwritten next. */
  const int32_t oldest = state->next * p->frame_values;
  const int32_t all = p->window_frames * p->frame_values;
  memcpy(input, ring + oldest, (size_t)(all - oldest));
  memcpy(input + (all - oldest), ring, (size_t)oldest);
  return 1;
}
