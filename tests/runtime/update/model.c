/* A model for the device that updates itself: its output is its input reversed, and MARK more.
 *
 * -DFAULT=1 crashes when it is run, 2 hangs, 3 fails, 4 crashes when a frame is pushed. Frames: a
 * window of WINDOW of them, FRAME values each, whose low bytes are the input. */
#include "tinyops/model.h"

#ifndef FAULT
#define FAULT 0
#endif
#ifndef MARK
#define MARK 0
#endif
#ifndef FILLING
#define FILLING 0
#endif

enum { FRAME = 2, WINDOW = 4, INPUT_BYTES = FRAME * WINDOW };

typedef struct {
  int8_t input[INPUT_BYTES];
  int8_t output[INPUT_BYTES];
  int8_t window[INPUT_BYTES];
  uint32_t frames;
} arena_layout;

#if FILLING > 0
/* Weights: what makes a model large. */
const uint8_t tinyops_model_filling[FILLING] = {MARK, 1, 2, 3};
#endif

int32_t tinyops_model_init(void *memory) {
  arena_layout *arena = (arena_layout *)memory;
  for (uint32_t i = 0; i < INPUT_BYTES; i++) {
    arena->window[i] = 0;
  }
  arena->frames = 0;
  return TINYOPS_OK;
}

int32_t tinyops_model_push(void *memory, const int16_t *frame) {
  arena_layout *arena = (arena_layout *)memory;
#if FAULT == 4
  __builtin_trap();
#endif
  for (uint32_t i = 0; i + FRAME < INPUT_BYTES; i++) {
    arena->window[i] = arena->window[i + FRAME];
  }
  for (uint32_t i = 0; i < FRAME; i++) {
    arena->window[INPUT_BYTES - FRAME + i] = (int8_t)frame[i];
  }
  arena->frames++;
  return arena->frames >= WINDOW && arena->frames % 2 == 0 ? TINYOPS_DUE : TINYOPS_OK;
}

int32_t tinyops_model_prepare(void *memory) {
  arena_layout *arena = (arena_layout *)memory;
  for (uint32_t i = 0; i < INPUT_BYTES; i++) {
    arena->input[i] = arena->window[i];
  }
  return TINYOPS_OK;
}

int32_t tinyops_model_invoke(void *memory) {
  arena_layout *arena = (arena_layout *)memory;
#if FAULT == 1
  __builtin_trap();
#elif FAULT == 2
  for (volatile uint32_t i = 0;; i++) {
  }
#elif FAULT == 3
  return TINYOPS_ERR_STATE;
#endif
  for (uint32_t i = 0; i < INPUT_BYTES; i++) {
    arena->output[i] = (int8_t)(arena->input[INPUT_BYTES - 1 - i] + MARK);
  }
  return TINYOPS_OK;
}
