/* The bootloader's vectors. On a core without a vector table register they stay the chip's for
 * good: what is not a reset is forwarded to the handler that the firmware has put into the first of
 * the words at the top of RAM (tinyops_top_words, 16 bytes that are the bootloader's). */
#include "start.h"

#include "ram.h"

#ifndef TINYOPS_HAS_VTOR
#error "TINYOPS_HAS_VTOR is 0 or 1"
#endif

#define REGISTER(address) (*(volatile uint32_t *)(address))
#define VECTOR_TABLE_OFFSET REGISTER(0xe000ed08u)
#define RESET_CONTROL REGISTER(0xe000ed0cu)
#define RESET_REQUEST 0x05fa0004u

extern volatile uint32_t tinyops_top_words[]; /* by the linker script */

int main(void);
void tinyops_startup_reset(void);
void tinyops_boot_fault(void);
void tinyops_boot_forward(void);

#if TINYOPS_HAS_VTOR
#define OTHER tinyops_boot_fault
#else
#define OTHER tinyops_boot_forward
#endif

typedef struct {
  uint32_t *stack;
  void (*entries[15])(void);
} vector_table;

__attribute__((section(".vectors"), used)) static const vector_table vectors = {
    tinyops_stack_top,
    {tinyops_startup_reset, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER, OTHER,
     OTHER, OTHER, OTHER, OTHER},
};

void tinyops_startup_reset(void) {
  __asm volatile("cpsid i" ::: "memory");
#if TINYOPS_HAS_VTOR
  VECTOR_TABLE_OFFSET = (uint32_t)&vectors;
#else
  tinyops_top_words[0] = (uint32_t)tinyops_boot_fault;
#endif
  tinyops_ram_fill();
  (void)main();
  tinyops_boot_sleep();
}

/* A fault of the bootloader itself: power may have failed in the middle of something. */
void tinyops_boot_fault(void) {
  RESET_CONTROL = RESET_REQUEST;
  for (;;) {
  }
}

#if !TINYOPS_HAS_VTOR
/* The core has pushed r0; the handler finds everything else as the exception left it. */
__attribute__((naked)) void tinyops_boot_forward(void) {
  __asm volatile(
      "ldr r0, =tinyops_top_words\n"
      "ldr r0, [r0]\n"
      "bx r0\n"
      ".ltorg\n");
}
#endif

void tinyops_boot_start(uint32_t at) {
#if TINYOPS_HAS_VTOR
  VECTOR_TABLE_OFFSET = at;
#endif
  __asm volatile(
      "ldr r1, [%0]\n"
      "ldr r0, [%0, #4]\n"
      "msr msp, r1\n"
      "isb\n"
      "bx r0\n" ::"r"(at)
      : "r0", "r1", "memory");
  __builtin_unreachable();
}

void tinyops_boot_sleep(void) {
  for (;;) {
    __asm volatile("wfi" ::: "memory");
  }
}
