/* A call is a struct in RAM and one store: of its own address into its first word. The emulator's
 * plugin (tinyops/twin/qemu_call.h, which has the same struct) sees it, and acts before the next
 * instruction. */
#include "call.h"

enum { PROBE = 0, ERASE = 1, PROGRAM = 2, READ = 3, NUMBER = 4, NUMBER_BYTES = 8 };
#define MAGIC 0x6c6c6163u

typedef struct {
  uint32_t self, magic, what, address, bytes, count;
  int32_t status;
} call;

static int32_t ask(uint32_t what, uint32_t address, const void *bytes, uint32_t count) {
  volatile call made = {
      .magic = MAGIC,
      .what = what,
      .address = address,
      .bytes = (uint32_t)(uintptr_t)bytes,
      .count = count,
      .status = -1, /* where nobody answers */
  };
#if defined(__arm__)
  register volatile call *at __asm("r0") = &made;
  __asm volatile("str %0, [%0]" : : "r"(at) : "memory");
#else
  register volatile call *at __asm("a0") = &made;
  __asm volatile("sw %0, 0(%0)" : : "r"(at) : "memory");
#endif
  return made.status;
}

#if defined(TINYOPS_TWIN_ERASE_BYTES)
static int32_t erase(void *context, uint32_t address, uint32_t bytes) {
  (void)context;
  return ask(ERASE, address, 0, bytes);
}

static int32_t program(void *context, uint32_t address, const uint8_t *bytes, uint32_t count) {
  (void)context;
  return ask(PROGRAM, address, bytes, count);
}

static int32_t read(void *context, uint32_t address, uint8_t *bytes, uint32_t count) {
  (void)context;
  return ask(READ, address, bytes, count);
}

const tinyops_port_flash *twin_flash(void) {
  static const tinyops_port_flash flash = {
      .erase_bytes = TINYOPS_TWIN_ERASE_BYTES,
      .program_bytes = TINYOPS_TWIN_PROGRAM_BYTES,
      .erase = erase,
      .program = program,
      .read = read,
  };
  return ask(PROBE, 0, 0, 0) == 0 ? &flash : 0;
}
#else
const tinyops_port_flash *twin_flash(void) { return 0; }
#endif

uint32_t twin_read_number(uint32_t *number) {
  return ask(NUMBER, 0, number, NUMBER_BYTES) == 0 ? NUMBER_BYTES : 0;
}
