/* What a virtual board asks of its emulator: flash, its chip's number, a sensor. */
#ifndef TINYOPS_TWIN_QEMU_CALL_H
#define TINYOPS_TWIN_QEMU_CALL_H

#include <stdint.h>

#include "qemu_flash.h"
#include "replay.h"

enum { CALL_BYTES_MAX = 1 << 16, CALL_NUMBER_WORDS = 2 };

/* In the board's RAM, as runtime/port/twin/call.c has it. */
typedef struct {
  uint32_t self; /* its own address: the store of it is the call */
  uint32_t magic;
  uint32_t what;
  uint32_t address; /* in flash; of a sensor the board's clock, in milliseconds */
  uint32_t bytes;   /* address of `count` bytes in RAM; of a sensor that starts, its rate */
  uint32_t count;
  int32_t status; /* the answer: 0 or negative; a sensor's may be positive */
} qemu_call;

/* What answers; null: the board has no such thing. */
typedef struct {
  flash_board *flash;
  const uint32_t *number;
  replay *sensor;
} call_board;

/* Whether an instruction of these first four bytes may be the store. */
int call_may_be(uint32_t code);

/* Whether what lies at `at` is a call that can be answered. */
int call_is(const qemu_call *asked, uint32_t at);

/* Answers it: `bytes` are its bytes, in and out, aligned for int16. Returns its status. */
int32_t call_answer(const qemu_call *asked, uint8_t *bytes, const call_board *board);

/* Whether its bytes are the board's to give. */
int call_brings(const qemu_call *asked);

/* Whether an answer of this status is in the bytes. */
int call_gives(const qemu_call *asked, int32_t status);

#endif
