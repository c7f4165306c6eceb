/* Runs a model image under one of QEMU's MPS2 machines from two addresses, on the same vectors, and
 * writes every output and the ticks of each inference to output.bin through semihosting.
 *
 * With FRAMES the vectors are sensor frames. What is written then, each time an inference is due,
 * are the ticks of all pushes since the last time and of prepare, and the input tensor; at the end
 * the bytes of stack that pushing and preparing took at most. */
#include <stdint.h>
#include <string.h>

#include "tinyops/model.h"

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_EXIT = 24, BINARY_WRITE = 5 };

/* The linker's: addresses of this machine. */
extern uint8_t arena[], place_a[], place_b[];
extern uint32_t stack_top[];
extern volatile uint32_t timer[]; /* CMSDK timer 0, counts down */
extern const uint8_t image_start[], image_end[], vectors_start[], vectors_end[];
void reset(void);

__asm__(
    ".section .rodata\n .balign 4\n image_start: .incbin \"model.bin\"\n image_end:\n"
    " .balign 4\n vectors_start: .incbin \"vectors.bin\"\n vectors_end:\n .text\n");

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset};

static uint32_t semihost(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static void put(uint32_t file, const void *data, uint32_t count) {
  const uint32_t block[3] = {file, (uint32_t)(uintptr_t)data, count};
  semihost(SYS_WRITE, block);
}

#ifdef FRAMES
enum { PAINTED = 4096, PAINT = 0x5c };

static uint8_t *stack_pointer(void) {
  uint8_t *sp;
  __asm__ volatile("mov %0, sp" : "=r"(sp));
  return sp;
}

__attribute__((noinline)) static int32_t push_frame(const tinyops_model_header *h,
                                                    const int16_t *frame, uint32_t *ticks) {
  const uintptr_t base = (uintptr_t)h;
  const uint32_t before = timer[1];
  int32_t status = ((tinyops_model_push_fn)(base + h->push))(arena, frame);
  if (status == TINYOPS_DUE) {
    status = ((tinyops_model_prepare_fn)(base + h->prepare))(arena) == TINYOPS_OK ? status : -1;
  }
  *ticks += before - timer[1];
  return status;
}

static void run_frames(const tinyops_model_header *h, uint32_t file) {
  uint8_t *const top = stack_pointer() - 64; /* below what this function itself may still push */
  uint8_t *bottom = top - PAINTED;
  for (volatile uint8_t *at = bottom; at < top; at++) {
    *at = PAINT;
  }
  uint32_t ticks = 0;
  const uint32_t frame_bytes = 2 * h->frame_values;
  for (const uint8_t *v = vectors_start; v < vectors_end; v += frame_bytes) {
    if (push_frame(h, (const int16_t *)(const void *)v, &ticks) == TINYOPS_DUE) {
      put(file, &ticks, 4);
      put(file, arena + h->input_offset, h->input_bytes);
      ticks = 0;
    }
  }
  while (bottom < top && *bottom == PAINT) {
    bottom++;
  }
  const uint32_t used = (uint32_t)(top - bottom) + 64;
  put(file, &used, 4);
}
#endif

static void run_at(uint8_t *place, uint32_t file) {
  memcpy(place, image_start, (size_t)(image_end - image_start));
  const tinyops_model_header *h = (const tinyops_model_header *)(const void *)place;
  const tinyops_model_init_fn init = (tinyops_model_init_fn)(uintptr_t)(place + h->init);
  const tinyops_model_invoke_fn invoke = (tinyops_model_invoke_fn)(uintptr_t)(place + h->invoke);
  memset(arena, 0xa5, h->arena_bytes);
  int32_t status = init(arena);
#ifdef FRAMES
  (void)invoke;
  (void)status;
  run_frames(h, file);
#else
  uint32_t ticks = 0;
  for (const uint8_t *v = vectors_start; v < vectors_end; v += h->input_bytes) {
    memcpy(arena + h->input_offset, v, h->input_bytes);
    const uint32_t before = timer[1];
    const int32_t done = invoke(arena);
    ticks += before - timer[1];
    if (done == TINYOPS_MORE) { /* the input comes by rows */
      continue;
    }
    status |= done;
    ticks = status == TINYOPS_OK ? ticks : 0;
    put(file, &ticks, 4);
    ticks = 0;
    put(file, arena + h->output_offset, h->output_bytes);
  }
#endif
}

void reset(void) {
  static const char name[] = "output.bin";
  const uint32_t open[3] = {(uint32_t)(uintptr_t)name, BINARY_WRITE, sizeof name - 1};
  *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* the floating point unit on */
#ifdef TRAP_UNALIGNED
  *(volatile uint32_t *)0xe000ed14u |= 8u; /* as a core without unaligned accesses does */
#endif
  __asm__ volatile("dsb\n isb");
  timer[2] = 0xffffffffu;
  timer[1] = 0xffffffffu;
  timer[0] = 1;
  const uint32_t file = semihost(SYS_OPEN, open);
  run_at(place_a, file);
  run_at(place_b, file);
  semihost(SYS_EXIT, (const void *)0x20026u);
  for (;;) {
  }
}
