/* A call is a struct in RAM and one store: of its own address into its first word. The emulator's
 * plugin (tinyops/twin/qemu_call.h, which has the same struct) sees it, and acts before the next
 * instruction. */
#include "call.h"

enum {
  PROBE = 0,
  ERASE = 1,
  PROGRAM = 2,
  READ = 3,
  NUMBER = 4,
  SENSOR_START = 5,
  SENSOR_POLL = 6,
  SENSOR_MISSED = 7,
  NUMBER_BYTES = 8
};
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

/* The port's own clock: an emulator may not read the guest's amid its instructions. */
static uint32_t now_ms(void *context) {
  const tinyops_port *port = (const tinyops_port *)context;
  return port->now_ms(port->context);
}

static int32_t start_sensor(void *context, uint32_t rate_millihz) {
  return ask(SENSOR_START, now_ms(context), (const void *)(uintptr_t)rate_millihz, 0);
}

static int32_t poll_sensor(void *context, int16_t *values, uint32_t count) {
  return ask(SENSOR_POLL, now_ms(context), values, count * (uint32_t)sizeof(*values));
}

static uint32_t missed(void *context) {
  (void)context;
  return (uint32_t)ask(SENSOR_MISSED, 0, 0, 0);
}

const tinyops_port_sensor *twin_sensor(void) {
  static const tinyops_port_sensor sensor = {
      .start = start_sensor,
      .poll = poll_sensor,
      .missed = missed,
  };
  return ask(SENSOR_MISSED, 0, 0, 0) >= 0 ? &sensor : 0;
}
