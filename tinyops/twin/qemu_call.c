/* Facts: ARMv7-M Architecture Reference Manual, encoding T1 of STR (immediate); RISC-V unprivileged
 * specification, SW and C.SW. */
#include "qemu_call.h"

#include <string.h>

enum { PROBE = 0, ERASE = 1, PROGRAM = 2, READ = 3, NUMBER = 4 };
#define MAGIC 0x6c6c6163u
#define THUMB_STORE 0x6000u            /* str r0, [r0] */
#define RISCV_STORE 0x00a52023u        /* sw a0, 0(a0) */
#define RISCV_COMPRESSED_STORE 0xc108u /* c.sw a0, 0(a0) */

int call_may_be(uint32_t code) {
  const uint32_t half = code & 0xffffu;
  return half == THUMB_STORE || half == RISCV_COMPRESSED_STORE || code == RISCV_STORE;
}

/* An erase brings no bytes. */
int call_is(const qemu_call *asked, uint32_t at) {
  return asked->self == at && asked->magic == MAGIC &&
         (asked->what == ERASE || asked->count <= CALL_BYTES_MAX);
}

int call_brings(const qemu_call *asked) { return asked->what == PROGRAM; }

int call_gives(const qemu_call *asked) { return asked->what == READ || asked->what == NUMBER; }

static int32_t give_number(const qemu_call *asked, uint8_t *bytes, const uint32_t *number) {
  const uint32_t count = CALL_NUMBER_WORDS * sizeof(*number);
  if (number == NULL || asked->count != count) {
    return -1;
  }
  memcpy(bytes, number, count);
  return 0;
}

int32_t call_answer(const qemu_call *asked, uint8_t *bytes, flash_board *flash,
                    const uint32_t *number) {
  if (asked->what == NUMBER) {
    return give_number(asked, bytes, number);
  }
  if (flash->count == 0) {
    return -1;
  }
  switch (asked->what) {
    case PROBE:
      return 0;
    case ERASE:
      return flash_erase(flash, asked->address, asked->count);
    case PROGRAM:
      return flash_program(flash, asked->address, bytes, asked->count);
    case READ:
      return flash_read(flash, asked->address, bytes, asked->count);
    default:
      return -1;
  }
}
