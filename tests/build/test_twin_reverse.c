/* A model image small enough to read: its output is its input reversed. For tests of firmware and
 * twins.
 *
 * -DFAULT=1 crashes, 2 hangs, 3 overflows the stack, 4 gets one byte wrong, when the input starts
 * with 0x55. Frames: a window of WINDOW frames of
 * two values, whose low bytes are the input. -DADDS adds a number to each output, -DPADDING makes
 * the image larger by so many bytes, each of them ADDS. */
#include "tinyops/model.h"

#ifndef FAULT
#define FAULT 0
#endif
#ifndef INPUT_BYTES
#define INPUT_BYTES 8
#endif
#define WINDOW (INPUT_BYTES / 2)
#ifndef FRAME
#define FRAME 2
#endif
#ifndef ADDS
#define ADDS 0
#endif
#ifndef CONTRACT
#define CONTRACT 0
#endif

typedef struct {
  int8_t input[INPUT_BYTES];
  int8_t output[INPUT_BYTES];
  int8_t window[INPUT_BYTES];
  uint32_t frames;
} arena_layout;

#ifdef PADDING
__attribute__((used)) static const uint8_t padding[PADDING] = {[0 ... PADDING - 1] = ADDS};
#endif

#if FAULT == 3
static int32_t eat_stack(volatile uint8_t *below) {
  volatile uint8_t here[64];
  here[0] = below[0];
  return eat_stack(here) + here[0];
}
#endif

static int32_t spoil(arena_layout *arena) {
  if (arena->input[0] != 0x55) {
    return 0;
  }
#if FAULT == 1
  __builtin_trap();
#elif FAULT == 2
  for (volatile uint32_t i = 0;; i++) {
  }
#elif FAULT == 3
  volatile uint8_t start[4] = {0};
  return eat_stack(start);
#elif FAULT == 4
  arena->input[3] ^= 1;
#endif
  return 0;
}

int32_t tinyops_model_init(void *memory) {
  arena_layout *arena = memory;
  for (uint32_t i = 0; i < INPUT_BYTES; i++) {
    arena->window[i] = 0;
  }
  arena->frames = 0;
  return TINYOPS_OK;
}

int32_t tinyops_model_push(void *memory, const int16_t *frame) {
  arena_layout *arena = memory;
  for (uint32_t i = 0; i + 2 < INPUT_BYTES; i++) {
    arena->window[i] = arena->window[i + 2];
  }
  arena->window[INPUT_BYTES - 2] = (int8_t)frame[FRAME - 2];
  arena->window[INPUT_BYTES - 1] = (int8_t)frame[FRAME - 1];
  arena->frames++;
  return arena->frames >= WINDOW && arena->frames % 2 == 0 ? TINYOPS_DUE : TINYOPS_OK;
}

int32_t tinyops_model_prepare(void *memory) {
  arena_layout *arena = memory;
  for (uint32_t i = 0; i < INPUT_BYTES; i++) {
    arena->input[i] = arena->window[i];
  }
  return TINYOPS_OK;
}

int32_t tinyops_model_invoke(void *memory) {
  arena_layout *arena = memory;
  if (spoil(arena) != 0) {
    return TINYOPS_ERR_STATE;
  }
  for (uint32_t i = 0; i < INPUT_BYTES; i++) {
    arena->output[i] = (int8_t)(arena->input[INPUT_BYTES - 1 - i] + ADDS);
  }
  return TINYOPS_OK;
}

#if defined(SHARED)
#define ENTRY(name) 0
#define HEADER_NAME tinyops_model
#define IMAGE_BYTES 0
#define PLACE
typedef tinyops_model_header header;
#else
extern const uint32_t image_bytes[]; /* its address is the length, from the linker script */
#define ENTRY(name) name
#define HEADER_NAME image_header
#define IMAGE_BYTES image_bytes
#define PLACE __attribute__((section(".header"), used))

/* As tinyops_model_header, with addresses where the linker has to fill in an offset. */
typedef struct {
  uint32_t magic;
  uint16_t abi, header_bytes;
  const void *image_bytes;
  uint32_t arena_bytes, input_offset, input_bytes, output_offset, output_bytes;
  uint32_t frame_values, window_frames, hop_frames;
  int32_t (*init)(void *);
  int32_t (*push)(void *, const int16_t *);
  int32_t (*prepare)(void *);
  int32_t (*invoke)(void *);
  uint8_t contract[32];
} header;
#endif

PLACE const header HEADER_NAME = {
    TINYOPS_MODEL_MAGIC,
    TINYOPS_MODEL_ABI,
    sizeof(header),
    IMAGE_BYTES,
    sizeof(arena_layout),
    0,
    INPUT_BYTES,
    INPUT_BYTES,
    INPUT_BYTES,
    FRAME,
    WINDOW,
    2,
    ENTRY(tinyops_model_init),
    ENTRY(tinyops_model_push),
    ENTRY(tinyops_model_prepare),
    ENTRY(tinyops_model_invoke),
    {CONTRACT},
};
