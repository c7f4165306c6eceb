#include "tinyops/features/window.h"

static int8_t quantise(int16_t value, const tinyops_window_channel *c, int32_t zero_point) {
  const int64_t half = (int64_t)1 << (c->shift - 1);
  const int64_t scaled = (((int64_t)value - c->offset) * c->multiplier + half) >> c->shift;
  const int64_t moved = scaled + zero_point;
  return (int8_t)(moved < INT8_MIN ? INT8_MIN : (moved > INT8_MAX ? INT8_MAX : moved));
}

void tinyops_window_quantise(const tinyops_window_params *p, const tinyops_window_channel *channels,
                             const int16_t *values, int32_t rows, int8_t *output) {
  for (int32_t r = 0; r < rows; ++r) {
    int32_t channel = 0;
    for (int32_t i = 0; i < p->row_values; ++i) {
      *output++ = quantise(*values++, &channels[channel], p->zero_point);
      channel = channel + 1 == p->channels ? 0 : channel + 1;
    }
  }
}

void tinyops_window_init(const tinyops_window_params *p, tinyops_window_state *state) {
  state->next = 0;
  state->until_due = p->window_frames;
  state->complete = 0;
  state->reserved = 0;
}

void tinyops_window_add(const tinyops_window_params *p, const tinyops_window_channel *channels,
                        tinyops_window_state *state, int8_t *window, const int16_t *row) {
  tinyops_window_quantise(p, channels, row, 1, window + state->next * p->row_values);
  state->next = state->next + 1 == p->rows ? 0 : state->next + 1;
}

int32_t tinyops_window_count(const tinyops_window_params *p, tinyops_window_state *state) {
  state->until_due -= 1;
  if (state->until_due > 0) {
    return 0;
  }
  state->until_due = p->hop_frames;
  state->complete = 1;
  return 1;
}

static void reverse(int8_t *first, int8_t *end) {
  while (first < --end) {
    const int8_t value = *first;
    *first++ = *end;
    *end = value;
  }
}

int32_t tinyops_window_prepare(const tinyops_window_params *p, tinyops_window_state *state,
                               int8_t *window) {
  if (!state->complete) {
    return 0;
  }
  /* The oldest row is the one that will be overwritten next. Both sides reversed, and then all of
   * it, have changed places. */
  int8_t *const end = window + p->rows * p->row_values;
  int8_t *const oldest = window + state->next * p->row_values;
  if (oldest != window) {
    reverse(window, oldest);
    reverse(oldest, end);
    reverse(window, end);
    state->next = 0;
  }
  return 1;
}

void tinyops_window_use_up(const tinyops_window_params *p, tinyops_window_state *state) {
  const int32_t all = p->window_frames, hop = p->hop_frames < all ? p->hop_frames : all;
  state->complete = 0;
  /* The rows that are gone are to be new, however late this window was looked at. */
  if (state->until_due < hop) {
    state->until_due = hop;
  }
}
