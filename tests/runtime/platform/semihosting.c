/* Cortex-M and RISC-V 32 in QEMU, without a C library: outputs go to a file of the host. */
#include "platform.h"

enum { SYS_OPEN = 0x01, SYS_WRITE = 0x05, SYS_EXIT = 0x18, BINARY_WRITE = 5 };
#define STOPPED 0x20026u /* the reason for an exit: the program is done */
#define FAILED 0x20024u  /* or has failed */

void reset(void);

#ifdef __riscv
__asm__(".section .start, \"ax\"\n.global start\nstart:\n  la sp, stack_top\n  call reset\n");

static uintptr_t semihost(uintptr_t operation, uintptr_t argument) {
  register uintptr_t a0 __asm__("a0") = operation;
  register uintptr_t a1 __asm__("a1") = argument;
  __asm__ volatile(
      ".option push\n .option norvc\n .balign 16\n slli zero, zero, 0x1f\n ebreak\n"
      " srai zero, zero, 7\n .option pop"
      : "+r"(a0)
      : "r"(a1)
      : "memory");
  return a0;
}
#else
extern uint32_t stack_top[];

/* A fault ends the emulator: it locks up at the handler that is not there. */
__attribute__((section(".start"), used)) static const uintptr_t vectors[2] = {(uintptr_t)stack_top,
                                                                              (uintptr_t)reset};

static uintptr_t semihost(uintptr_t operation, uintptr_t argument) {
  register uintptr_t r0 __asm__("r0") = operation;
  register uintptr_t r1 __asm__("r1") = argument;
  __asm__ volatile("bkpt 0xab" : "+r"(r0) : "r"(r1) : "memory");
  return r0;
}
#endif

static uintptr_t file; /* in .bss, which is written before it is read: nothing clears it */

static uintptr_t open_outputs(void) {
  static const char name[] = "outputs.bin";
  const uintptr_t arguments[3] = {(uintptr_t)name, BINARY_WRITE, sizeof name - 1};
  return semihost(SYS_OPEN, (uintptr_t)arguments);
}

void platform_put(const uint8_t *bytes, uint32_t count) {
  const uintptr_t block[3] = {file, (uintptr_t)bytes, count};
  (void)semihost(SYS_WRITE, (uintptr_t)block);
}

/* Apart, so that nothing of it is computed in floating point registers before they are on. */
__attribute__((noinline)) static uintptr_t run(void) {
  file = open_outputs();
  return platform_run() ? FAILED : STOPPED;
}

void reset(void) {
#if defined(__ARM_FP)
  *(volatile uint32_t *)0xe000ed88u |= 0xfu << 20; /* the floating point unit on */
  __asm__ volatile("dsb\n isb" ::: "memory");
#endif
  (void)semihost(SYS_EXIT, run());
  for (;;) {
  }
}
