/* The model ABI, version 1: what a compiled model offers to the firmware that runs it.
 *
 * A model image is position-independent: this header, then code, then constants. It has no writable
 * data: everything it writes lies in the arena that the caller passes in. Entry points are byte
 * offsets from the header, so an image runs from any 4-aligned address. Features (windowing,
 * normalisation, spectra) belong to the image: the caller pushes raw sensor frames.
 *
 * Use:  init -> { push -> (TINYOPS_DUE) prepare -> invoke -> read output } ...
 * or, with a tensor written straight to input_offset:  init -> { write input, invoke, read output }
 * ...
 * The window of frames lies in the input tensor: after a tensor was written there, init comes
 * before the next push.
 *
 * A model whose input is streamed never holds the whole tensor: input_bytes are those of one row,
 * and every push, or every write of a row and invoke, does what that row makes possible. With rows
 * of a tensor, invoke returns TINYOPS_MORE for each row but the last.
 */
#ifndef TINYOPS_MODEL_H
#define TINYOPS_MODEL_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYOPS_MODEL_MAGIC 0x314d4f54u /* "TOM1", little-endian */
#define TINYOPS_MODEL_ABI 1u
#define TINYOPS_ARENA_ALIGN 16u /* the arena's address is a multiple of this, in bytes */

typedef enum {
  TINYOPS_OK = 0,
  TINYOPS_DUE = 1,              /* push: a window is complete, call prepare and invoke */
  TINYOPS_MORE = 2,             /* invoke: the row was taken, write the next one and call again */
  TINYOPS_ERR_ARENA = -1,       /* arena is null or not aligned */
  TINYOPS_ERR_STATE = -2,       /* called out of order: prepare before a window was complete */
  TINYOPS_ERR_IMAGE = -3,       /* not a model image, truncated, or of another ABI version */
  TINYOPS_ERR_CONTRACT = -4,    /* the image was made for another sensor, window or classes */
  TINYOPS_ERR_UNSUPPORTED = -5, /* the image takes tensors only and was given a frame */
  TINYOPS_ERR_ARENA_BYTES = -6  /* the image wants a larger arena than the firmware has */
} tinyops_status;

/* The first bytes of a model image, little-endian. All sizes and offsets in bytes. */
typedef struct {
  uint32_t magic;
  uint16_t abi;
  uint16_t header_bytes;
  uint32_t image_bytes; /* header, code and constants; a multiple of 4 */
  uint32_t arena_bytes;
  uint32_t input_offset;  /* of the input tensor in the arena */
  uint32_t input_bytes;   /* where rows are streamed, of one row */
  uint32_t output_offset; /* of the output tensor in the arena, valid after invoke */
  uint32_t output_bytes;
  uint32_t frame_values;  /* int16 values in one sensor frame; 0: tensors only */
  uint32_t window_frames; /* frames that one inference looks at; rows of a streamed tensor */
  uint32_t hop_frames;    /* frames between two inferences */
  uint32_t init;          /* entry points: offsets from this header; bit 0 set for Thumb code */
  uint32_t push;
  uint32_t prepare;
  uint32_t invoke;
  uint8_t contract[32]; /* SHA-256 of the contract's canonical JSON */
} tinyops_model_header;

/* Clears the state kept in the arena. */
typedef int32_t (*tinyops_model_init_fn)(void *arena);
/* Takes one frame of frame_values values, int16 = value / full_scale * 32768, saturated: a sample
 * of every channel, or several, one sample after another. Features are computed here and may use
 * all of the arena that is not kept: read the output before the next push, and call no entry point
 * while another runs. */
typedef int32_t (*tinyops_model_push_fn)(void *arena, const int16_t *frame);
/* Makes the newest window the input tensor; invoke, which uses it up, comes before the next push.
 */
typedef int32_t (*tinyops_model_prepare_fn)(void *arena);
/* Runs the model on the input tensor, which is not preserved. Where rows are streamed,
 * takes the row at input_offset, unless all have come, and runs the model as far as that goes. */
typedef int32_t (*tinyops_model_invoke_fn)(void *arena);

/* A model compiled into a program or a shared object, instead of an image, offers the same under
 * these names; the entry point fields of its header are 0. */
extern const tinyops_model_header tinyops_model;
int32_t tinyops_model_init(void *arena);
int32_t tinyops_model_push(void *arena, const int16_t *frame);
int32_t tinyops_model_prepare(void *arena);
int32_t tinyops_model_invoke(void *arena);

#ifdef __cplusplus
}
#endif

#endif
