/* Undoes a delta on one of QEMU's MPS2 machines, and writes how many ticks the decoder took, what it
 * returned, and the most bytes of stack, to output.bin through semihosting. Slots and flash are
 * memory here: their own time is another one. For bench_deltas.py. */
#include <stdint.h>
#include <string.h>

#include "tinyops/boot.h"
#include "tinyops/delta.h"

enum { SYS_OPEN = 1, SYS_WRITE = 5, SYS_EXIT = 24, BINARY_WRITE = 5, PIECE = 1000, PAINT = 0x5c };

extern uint32_t stack_top[];
extern volatile uint32_t timer[]; /* CMSDK timer 0, counts down */
extern const uint8_t base_start[], base_end[], new_start[], new_end[], delta_start[], delta_end[];
void reset(void);

__asm__(
    ".section .rodata\n .balign 4\n base_start: .incbin \"base.bin\"\n base_end:\n"
    " .balign 4\n new_start: .incbin \"new.bin\"\n new_end:\n"
    " .balign 4\n delta_start: .incbin \"delta.bin\"\n delta_end:\n .text\n");

__attribute__((section(".vectors"), used)) static const uintptr_t vectors[16] = {
    (uintptr_t)stack_top, (uintptr_t)reset};

const tinyops_smp_images tinyops_app_update_calls; /* updates.c is not in this program */

static uint32_t semihost(uint32_t operation, const void *argument) {
  register uint32_t r0 __asm__("r0") = operation;
  register const void *r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}

static uint32_t running(const tinyops_slots *slots, uint32_t image) {
  (void)slots;
  (void)image;
  return 0;
}

static int32_t describe(tinyops_slots *slots, uint32_t image, uint32_t slot,
                        tinyops_image_info *info) {
  (void)slots;
  (void)image;
  (void)slot;
  info->total_bytes = (uint32_t)(base_end - base_start);
  return 0;
}

static int32_t begin(tinyops_slots *slots, uint32_t image, uint32_t bytes, const uint8_t *digest) {
  (void)image;
  (void)digest;
  slots->announced = bytes;
  slots->given = 0;
  return 0;
}

static int32_t write(tinyops_slots *slots, uint32_t offset, const uint8_t *bytes, uint32_t count) {
  slots->given += count;
  return memcmp(new_start + offset, bytes, count) == 0 ? (int32_t)slots->given
                                                       : TINYOPS_SLOTS_ERR_FLASH;
}

static int32_t finish(tinyops_slots *slots) {
  slots->writing = TINYOPS_SLOTS_NONE;
  return slots->given == (uint32_t)(new_end - new_start) ? 0 : TINYOPS_SLOTS_ERR_BYTES;
}

static int32_t read_flash(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  memcpy(bytes, (const uint8_t *)(uintptr_t)address, count);
  return 0;
}

static int32_t undo(void) {
  static const tinyops_port_flash flash = {.read = read_flash};
  static const tinyops_boot_table table = {.running = running,
                                           .begin = begin,
                                           .write = write,
                                           .finish = finish,
                                           .describe = describe};
  static tinyops_slots slots;
  static tinyops_delta delta;
  memset(&slots, 0, sizeof slots);
  slots.flash = &flash;
  slots.crypto = &table;
  slots.target = 1;
  slots.announced = (uint32_t)(delta_end - delta_start);
  slots.slots[0][0].origin = (uint32_t)(uintptr_t)base_start;
  memcpy(slots.images[0].verified[0], delta_start + TINYOPS_DELTA_AT_BASE_DIGEST, 32);
  tinyops_delta_open(&delta, &slots);
  int32_t at = 0;
  while (at >= 0 && delta_start + at < delta_end) {
    const uint32_t left = (uint32_t)(delta_end - delta_start) - (uint32_t)at;
    at = tinyops_delta_take(&delta, delta_start + at, left < PIECE ? left : PIECE);
  }
  return at;
}

void reset(void) {
  static const char name[] = "output.bin";
  const uint32_t open[3] = {(uint32_t)(uintptr_t)name, BINARY_WRITE, sizeof name - 1};
  uint8_t *const top = (uint8_t *)__builtin_frame_address(0) - 128;
  for (volatile uint8_t *at = top - 4096; at < top; at++) {
    *at = PAINT;
  }
  timer[2] = 0xffffffffu;
  timer[1] = 0xffffffffu;
  timer[0] = 1;
  const uint32_t before = timer[1];
  const int32_t status = undo();
  const uint32_t ticks = before - timer[1];
  const uint8_t *deepest = top - 4096;
  while (deepest < top && *deepest == PAINT) {
    deepest++;
  }
  const uint32_t found[3] = {ticks, (uint32_t)status, (uint32_t)(top - deepest) + 128};
  const uint32_t block[3] = {semihost(SYS_OPEN, open), (uint32_t)(uintptr_t)found, sizeof found};
  semihost(SYS_WRITE, block);
  semihost(SYS_EXIT, (const void *)0x20026u);
  for (;;) {
  }
}
