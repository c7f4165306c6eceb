#include "tinyops/features/samples.h"

#include <string.h>

static void filter(const tinyops_samples_params *p, const tinyops_filter_section *sections,
                   tinyops_filter_state *states, const int16_t *samples, int32_t count,
                   int16_t *kept) {
  for (int32_t n = 0; n < count; ++n) {
    tinyops_filter_state *state = states;
    for (int32_t c = 0; c < p->channels; ++c) {
      *kept++ = tinyops_filter_step(sections, p->sections, state, *samples++);
      state += p->sections;
    }
  }
}

int32_t tinyops_samples_take(const tinyops_samples_params *p,
                             const tinyops_filter_section *sections, tinyops_filter_state *states,
                             int32_t *held, int16_t *kept, const int16_t *samples, int32_t count) {
  const int32_t room = p->length - *held;
  const int32_t taken = count < room ? count : room;
  int16_t *end = kept + *held * p->channels;
  if (p->sections == 0) {
    memcpy(end, samples, (size_t)(taken * p->channels) * sizeof(*end));
  } else {
    filter(p, sections, states, samples, taken, end);
  }
  *held += taken;
  return taken;
}

void tinyops_samples_advance(const tinyops_samples_params *p, int32_t *held, int16_t *kept) {
  *held -= p->step;
  memmove(kept, kept + p->step * p->channels, (size_t)(*held * p->channels) * sizeof(*kept));
}
