/* Facts: ARMv7-M Architecture Reference Manual, encoding T1 of STR (immediate); RISC-V unprivileged
 * specification, SW and C.SW. */
#include "qemu_call.h"

#include <string.h>

enum {
  PROBE = 0,
  ERASE = 1,
  PROGRAM = 2,
  READ = 3,
  NUMBER = 4,
  SENSOR_START = 5,
  SENSOR_POLL = 6,
  SENSOR_MISSED = 7
};
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

int call_gives(const qemu_call *asked, int32_t status) {
  return asked->what == SENSOR_POLL ? status > 0
                                    : status == 0 && (asked->what == READ || asked->what == NUMBER);
}

static int32_t give_number(const qemu_call *asked, uint8_t *bytes, const uint32_t *number) {
  const uint32_t count = CALL_NUMBER_WORDS * sizeof(*number);
  if (number == NULL || asked->count != count) {
    return -1;
  }
  memcpy(bytes, number, count);
  return 0;
}

static int32_t answer_of_flash(const qemu_call *asked, uint8_t *bytes, flash_board *flash) {
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

/* The clock of a board that runs for 49 days begins again. */
static int32_t answer_of_sensor(const qemu_call *asked, uint8_t *bytes, replay *sensor) {
  const uint64_t now_us = (uint64_t)asked->address * 1000u;
  if (sensor == NULL) {
    return -1;
  }
  if (asked->what == SENSOR_START) {
    return replay_start(sensor, now_us, asked->bytes);
  }
  if (asked->what == SENSOR_POLL) {
    return replay_poll(sensor, now_us, (int16_t *)(void *)bytes, asked->count / 2u);
  }
  return (int32_t)(replay_missed(sensor) & INT32_MAX);
}

int32_t call_answer(const qemu_call *asked, uint8_t *bytes, const call_board *board) {
  switch (asked->what) {
    case NUMBER:
      return give_number(asked, bytes, board->number);
    case SENSOR_START:
    case SENSOR_POLL:
    case SENSOR_MISSED:
      return answer_of_sensor(asked, bytes, board->sensor);
    default:
      return answer_of_flash(asked, bytes, board->flash);
  }
}
