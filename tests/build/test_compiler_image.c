/* Runs a model image under QEMU's mps2-an386 from two addresses, on the same vectors, and writes
 * every output and the ticks of each inference to output.bin through semihosting. */
#include <stdint.h>
#include <string.h>

#include "tinyops/model.h"

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_EXIT = 24, BINARY_WRITE = 5 };
#define ARENA ((uint8_t *)0x20100000u)
#define TIMER ((volatile uint32_t *)0x40000000u) /* CMSDK timer 0, counts down at 25 MHz */

extern const uint8_t image_start[], image_end[], vectors_start[], vectors_end[];
void reset(void);

__asm__(
    ".section .rodata\n .balign 4\n image_start: .incbin \"model.bin\"\n image_end:\n"
    " .balign 4\n vectors_start: .incbin \"vectors.bin\"\n vectors_end:\n .text\n");

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {0x20080000u,
                                                                                 (uintptr_t)reset};

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

static void run_at(uint8_t *place, uint32_t file) {
  memcpy(place, image_start, (size_t)(image_end - image_start));
  const tinyops_model_header *h = (const tinyops_model_header *)(const void *)place;
  const tinyops_model_init_fn init = (tinyops_model_init_fn)(uintptr_t)(place + h->init);
  const tinyops_model_invoke_fn invoke = (tinyops_model_invoke_fn)(uintptr_t)(place + h->invoke);
  memset(ARENA, 0xa5, h->arena_bytes);
  int32_t status = init(ARENA);
  for (const uint8_t *v = vectors_start; v < vectors_end; v += h->input_bytes) {
    memcpy(ARENA + h->input_offset, v, h->input_bytes);
    const uint32_t before = TIMER[1];
    status |= invoke(ARENA);
    const uint32_t ticks = status == TINYOPS_OK ? before - TIMER[1] : 0;
    put(file, &ticks, 4);
    put(file, ARENA + h->output_offset, h->output_bytes);
  }
}

void reset(void) {
  static const char name[] = "output.bin";
  const uint32_t open[3] = {(uint32_t)(uintptr_t)name, BINARY_WRITE, sizeof name - 1};
  *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* the floating point unit on */
#ifdef TRAP_UNALIGNED
  *(volatile uint32_t *)0xe000ed14u |= 8u; /* as a core without unaligned accesses does */
#endif
  __asm__ volatile("dsb\n isb");
  TIMER[2] = 0xffffffffu;
  TIMER[1] = 0xffffffffu;
  TIMER[0] = 1;
  const uint32_t file = semihost(SYS_OPEN, open);
  run_at((uint8_t *)0x21000004u, file);
  run_at((uint8_t *)0x2118800cu, file);
  semihost(SYS_EXIT, (const void *)0x20026u);
  for (;;) {
  }
}
