/* The second stage of the RP2040's boot: the first 256 bytes of flash.
 *
 * The boot ROM copies them to RAM, checks the CRC-32 in the last four, which the builder writes,
 * and jumps to the first. They make flash readable, then start what its vector table says. Nothing
 * here may lie or be called outside of these bytes. */
#include "xip.h"

void tinyops_boot2(void);

__attribute__((section(".boot2"), used, noreturn)) void tinyops_boot2(void) {
  xip_open();
  __asm volatile(
      "ldr r0, =0x10000100\n" /* after these 256 bytes */
      "ldr r1, =0xe000ed08\n" /* VTOR */
      "str r0, [r1]\n"
      "ldm r0!, {r1, r2}\n"
      "mov sp, r1\n"
      "bx r2\n"
      ".ltorg\n" ::
          : "r0", "r1", "r2", "memory");
  __builtin_unreachable();
}
