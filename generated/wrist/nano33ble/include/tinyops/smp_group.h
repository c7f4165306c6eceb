/* Management of a board over SMP: groups, commands, refusals, and the keys of our group's maps.
 *
 * Written by tinyops/link/smp, which is their definition and says how messages travel; never
 * edited by hand. */
#ifndef TINYOPS_SMP_GROUP_H
#define TINYOPS_SMP_GROUP_H

/* clang-format off */

#define TINYOPS_SMP_GROUP 64u
#define TINYOPS_SMP_GROUP_OS 0u
#define TINYOPS_SMP_GROUP_IMAGE 1u
#define TINYOPS_SMP_MESSAGE_MAX 1024u
#define TINYOPS_SMP_MESSAGE_MIN 384u
#define TINYOPS_SMP_LINE_MAX 127u
#define TINYOPS_SMP_SETTINGS_PIECE 128u
#define TINYOPS_SMP_BENCH_REPEAT_MAX 1000u
#define TINYOPS_SMP_CHECKS_MAX 4u
#define TINYOPS_SMP_SILICON_MAX 16u

#define TINYOPS_SMP_OS_ECHO 0u
#define TINYOPS_SMP_OS_RESET 5u
#define TINYOPS_SMP_OS_PARAMETERS 6u
#define TINYOPS_SMP_OS_INFO 7u

#define TINYOPS_SMP_IMAGE_STATE 0u
#define TINYOPS_SMP_IMAGE_UPLOAD 1u
#define TINYOPS_SMP_IMAGE_ERASE 5u

#define TINYOPS_SMP_INFO 0u
#define TINYOPS_SMP_HEALTH 1u
#define TINYOPS_SMP_SELF_TEST 2u
#define TINYOPS_SMP_SETTINGS 3u
#define TINYOPS_SMP_BENCH 4u
#define TINYOPS_SMP_CRASH 5u
#define TINYOPS_SMP_UPDATE 6u

/* Why a command cannot be done. */
/* it did not say why */
#define TINYOPS_SMP_ERR_UNKNOWN 1
/* the message is larger than its buffer */
#define TINYOPS_SMP_ERR_MEMORY 2
/* a value is missing, of the wrong type or out of range */
#define TINYOPS_SMP_ERR_INVALID 3
/* there is no such thing on it */
#define TINYOPS_SMP_ERR_ABSENT 5
/* it has no model that can run */
#define TINYOPS_SMP_ERR_STATE 6
/* the answer is larger than its buffer */
#define TINYOPS_SMP_ERR_SIZE 7
/* the board or its firmware cannot do that */
#define TINYOPS_SMP_ERR_UNSUPPORTED 8
/* its hardware failed */
#define TINYOPS_SMP_ERR_FAILED 9
/* it is busy with another command */
#define TINYOPS_SMP_ERR_BUSY 10
/* it trusts keys, and takes this from a cable alone */
#define TINYOPS_SMP_ERR_ACCESS 11

/* Why a command of group 1 cannot be done. */
#define TINYOPS_SMP_IMAGE_ERR_UNKNOWN 1
#define TINYOPS_SMP_IMAGE_ERR_FLASH_CONFIG_QUERY_FAIL 2
#define TINYOPS_SMP_IMAGE_ERR_INVALID_TLV 5
#define TINYOPS_SMP_IMAGE_ERR_HASH_NOT_FOUND 8
#define TINYOPS_SMP_IMAGE_ERR_NO_FREE_SLOT 9
#define TINYOPS_SMP_IMAGE_ERR_FLASH_WRITE_FAILED 12
#define TINYOPS_SMP_IMAGE_ERR_INVALID_SLOT 14
#define TINYOPS_SMP_IMAGE_ERR_INVALID_OFFSET 20
#define TINYOPS_SMP_IMAGE_ERR_INVALID_LENGTH 21
#define TINYOPS_SMP_IMAGE_ERR_INVALID_IMAGE_HEADER 22
#define TINYOPS_SMP_IMAGE_ERR_INVALID_HASH 24
#define TINYOPS_SMP_IMAGE_ERR_INVALID_FLASH_ADDRESS 25
#define TINYOPS_SMP_IMAGE_ERR_CURRENT_VERSION_IS_NEWER 27
#define TINYOPS_SMP_IMAGE_ERR_INVALID_IMAGE_TOO_LARGE 30
#define TINYOPS_SMP_IMAGE_ERR_IMAGE_CONFIRMATION_DENIED 32
/* What group 1 says for each tinyops_slots_status, -1 first. */
#define TINYOPS_SMP_IMAGE_ERRORS \
  12, 2, 14, 20, 30, 22, 24, 5, 1, 5, 25, 5, 27, 9, 8, 5, 8, 22
/* The same statuses, negated, as UPDATE tells them. */
/* its flash refused, or reads back other bytes */
#define TINYOPS_SMP_UPDATE_ERR_FLASH 1
/* its slots, sectors and buffers do not go together */
#define TINYOPS_SMP_UPDATE_ERR_GEOMETRY 2
/* it has no such image, or no second slot for it */
#define TINYOPS_SMP_UPDATE_ERR_NO_SLOT 3
/* a piece does not follow the one before */
#define TINYOPS_SMP_UPDATE_ERR_OFFSET 4
/* larger than the slot, or of another length than announced */
#define TINYOPS_SMP_UPDATE_ERR_BYTES 5
/* no image of MCUboot's format, or a malformed one */
#define TINYOPS_SMP_UPDATE_ERR_IMAGE 6
/* the content is not what its digest says */
#define TINYOPS_SMP_UPDATE_ERR_DIGEST 7
/* no key that it trusts has signed the image */
#define TINYOPS_SMP_UPDATE_ERR_SIGNATURE 8
/* it trusts no key yet: it was not enrolled */
#define TINYOPS_SMP_UPDATE_ERR_KEYS 9
/* the image was made for another board */
#define TINYOPS_SMP_UPDATE_ERR_BOARD 10
/* the image was linked for another slot */
#define TINYOPS_SMP_UPDATE_ERR_ADDRESS 11
/* the model is for another contract than its firmware's */
#define TINYOPS_SMP_UPDATE_ERR_CONTRACT 12
/* the image's security counter is lower than its own */
#define TINYOPS_SMP_UPDATE_ERR_COUNTER 13
/* nothing is being written, verified, pending or on trial there */
#define TINYOPS_SMP_UPDATE_ERR_STATE 14
/* no slot holds an image with that digest */
#define TINYOPS_SMP_UPDATE_ERR_ABSENT 15
/* a model where a firmware belongs, or the reverse */
#define TINYOPS_SMP_UPDATE_ERR_KIND 16
/* the delta is from another image than the one that runs */
#define TINYOPS_SMP_UPDATE_ERR_BASE 17
/* the delta is malformed */
#define TINYOPS_SMP_UPDATE_ERR_DELTA 18

/* INFO. Who the board is and what it runs. */
/* text: name in the catalogue */
#define TINYOPS_SMP_INFO_BOARD "board"
/* text: fleet that the firmware was rendered for */
#define TINYOPS_SMP_INFO_FLEET "fleet"
/* text: version of the firmware */
#define TINYOPS_SMP_INFO_FIRMWARE_VERSION "firmware_version"
/* bytes: SHA-256 of the firmware's contract */
#define TINYOPS_SMP_INFO_CONTRACT "contract"
/* bytes: SHA-256 of the firmware as it lies in flash; missing: it cannot be read */
#define TINYOPS_SMP_INFO_FIRMWARE "firmware"
/* bytes: SHA-256 of the model image in its slot; missing: no slot, or no image */
#define TINYOPS_SMP_INFO_MODEL "model"
/* uint: CRC-32 of the model image, 0: no slot, or no image */
#define TINYOPS_SMP_INFO_IMAGE_CRC "image_crc"
/* uint: model ABI that the firmware speaks */
#define TINYOPS_SMP_INFO_ABI "abi"
/* int: status of the model as in the link: 0, or why it cannot run */
#define TINYOPS_SMP_INFO_STATE "state"
/* uint: bytes of arena that the firmware has */
#define TINYOPS_SMP_INFO_ARENA "arena"
/* uint: bytes of RAM that data, arena and stack take */
#define TINYOPS_SMP_INFO_RAM "ram"
/* uint: slots that an update could be written to */
#define TINYOPS_SMP_INFO_FREE_SLOTS "free_slots"
/* bytes: the chip's own number, no other chip's; missing: it has none, or none that is read */
#define TINYOPS_SMP_INFO_SILICON "silicon"
/* Those that are numbers, in order; a '-' before one with a sign. */
#define TINYOPS_SMP_INFO_WORDS \
  "image_crc\0" \
  "abi\0" \
  "-state\0" \
  "arena\0" \
  "ram\0" \
  "free_slots\0"

/* HEALTH. How it fares. */
/* uint: since start-up; 0 without a clock */
#define TINYOPS_SMP_HEALTH_UPTIME_MS "uptime_ms"
/* uint: 0 unknown, 1 power, 2 pin, 3 watchdog, 4 software, 5 fault, 6 brownout */
#define TINYOPS_SMP_HEALTH_RESET_CAUSE "reset_cause"
/* uint: resets by the watchdog since power-on, where RAM is kept */
#define TINYOPS_SMP_HEALTH_WATCHDOGS "watchdogs"
/* uint: hard faults since power-on, where RAM is kept */
#define TINYOPS_SMP_HEALTH_FAULTS "faults"
/* uint: since start-up */
#define TINYOPS_SMP_HEALTH_INFERENCES "inferences"
/* int: 1: samples; 0: none, frames come over the line; negative: has failed */
#define TINYOPS_SMP_HEALTH_SENSOR "sensor"
/* uint: frames of the board's sensor that were lost */
#define TINYOPS_SMP_HEALTH_MISSED "missed"
/* uint: deepest use since start-up, bytes */
#define TINYOPS_SMP_HEALTH_STACK_USED "stack_used"
/* uint: bytes of stack */
#define TINYOPS_SMP_HEALTH_STACK "stack"
/* uint: bytes of arena that the model needs */
#define TINYOPS_SMP_HEALTH_ARENA_USED "arena_used"
/* uint: bytes of arena that the firmware has */
#define TINYOPS_SMP_HEALTH_ARENA "arena"
/* uint: 0 where it cannot be read */
#define TINYOPS_SMP_HEALTH_SUPPLY_MV "supply_mv"
/* uint: sum over inferences of the best output, in int8 steps above -128 */
#define TINYOPS_SMP_HEALTH_CONFIDENCE "confidence"
/* array: inferences by the index of their best output, as many as are counted */
#define TINYOPS_SMP_HEALTH_HISTOGRAM "histogram"
/* Those that are numbers, in order; a '-' before one with a sign. */
#define TINYOPS_SMP_HEALTH_WORDS \
  "uptime_ms\0" \
  "reset_cause\0" \
  "watchdogs\0" \
  "faults\0" \
  "inferences\0" \
  "-sensor\0" \
  "missed\0" \
  "stack_used\0" \
  "stack\0" \
  "arena_used\0" \
  "arena\0" \
  "supply_mv\0" \
  "confidence\0"

/* SELF_TEST. Checks the model image, and runs the model once. Forgets the frames pushed so
 * far. */
/* bool: run on what the link wrote to the input tensor; missing: on zeros */
#define TINYOPS_SMP_SELF_TEST_KEEP "keep"
/* array: what was checked, as texts */
#define TINYOPS_SMP_SELF_TEST_NAMES "names"
/* array: 0, or what was wrong, a number for each name */
#define TINYOPS_SMP_SELF_TEST_STATUSES "statuses"
/* uint: CRC-32 of the output tensor, 0 when the model did not run */
#define TINYOPS_SMP_SELF_TEST_OUTPUTS_CRC "outputs_crc"

/* SETTINGS. The board's settings as bytes, in pieces. A write begins at 0, goes on where the
 * answer says, and takes effect with the piece that ends at `len`; before that,
 * the earlier settings hold. */
/* uint: where the next piece begins */
#define TINYOPS_SMP_SETTINGS_OFF "off"
/* uint: of all settings */
#define TINYOPS_SMP_SETTINGS_LEN "len"
/* bytes: the piece */
#define TINYOPS_SMP_SETTINGS_DATA "data"

/* BENCH. Runs the model on whatever its input tensor holds. Forgets the frames pushed so
 * far. */
/* uint: inferences that were run */
#define TINYOPS_SMP_BENCH_REPEAT "repeat"
/* uint: of one inference */
#define TINYOPS_SMP_BENCH_TICKS_MIN "ticks_min"
/* uint: of one inference */
#define TINYOPS_SMP_BENCH_TICKS_MAX "ticks_max"
/* uint: of all, modulo 2^64 */
#define TINYOPS_SMP_BENCH_TICKS_SUM "ticks_sum"
/* uint: ticks a second; 0: ticks are instructions; 1: nothing is counted */
#define TINYOPS_SMP_BENCH_TICK_HZ "tick_hz"
/* uint: core cycles of one inference, modulo 2^cycle_bits */
#define TINYOPS_SMP_BENCH_CYCLES_MIN "cycles_min"
/* uint: core cycles of one inference */
#define TINYOPS_SMP_BENCH_CYCLES_MAX "cycles_max"
/* uint: of all, modulo 2^64 */
#define TINYOPS_SMP_BENCH_CYCLES_SUM "cycles_sum"
/* uint: of the counter; 0: this core counts none */
#define TINYOPS_SMP_BENCH_CYCLE_BITS "cycle_bits"
/* bool: whether an emulator runs this firmware, whose cycles are none */
#define TINYOPS_SMP_BENCH_EMULATED "emulated"
/* Those that are numbers, in order; a '-' before one with a sign. */
#define TINYOPS_SMP_BENCH_WORDS \
  "repeat\0" \
  "ticks_min\0" \
  "ticks_max\0" \
  "tick_hz\0" \
  "cycles_min\0" \
  "cycles_max\0" \
  "cycle_bits\0"

/* CRASH. The last hard fault; a write forgets it. */
/* bool: whether a fault is kept; without one nothing else comes */
#define TINYOPS_SMP_CRASH_CRASHED "crashed"
/* uint: program counter where it happened */
#define TINYOPS_SMP_CRASH_PC "pc"
/* uint: return address there */
#define TINYOPS_SMP_CRASH_LR "lr"
/* uint: program status there */
#define TINYOPS_SMP_CRASH_PSR "psr"
/* uint: fault status; RISC-V: mcause */
#define TINYOPS_SMP_CRASH_CFSR "cfsr"
/* uint: hard fault status */
#define TINYOPS_SMP_CRASH_HFSR "hfsr"
/* uint: address of a memory fault; RISC-V: mtval */
#define TINYOPS_SMP_CRASH_MMFAR "mmfar"
/* uint: address of a bus fault */
#define TINYOPS_SMP_CRASH_BFAR "bfar"
/* uint: CRC-32 of the model image that ran, 0: none */
#define TINYOPS_SMP_CRASH_IMAGE_CRC "image_crc"
/* uint: when it happened; 0 without a clock */
#define TINYOPS_SMP_CRASH_UPTIME_MS "uptime_ms"
/* uint: CRC-32 of the firmware's flash, 0: not known */
#define TINYOPS_SMP_CRASH_FIRMWARE_CRC "firmware_crc"
/* Those that are numbers, in order; a '-' before one with a sign. */
#define TINYOPS_SMP_CRASH_WORDS \
  "pc\0" \
  "lr\0" \
  "psr\0" \
  "cfsr\0" \
  "hfsr\0" \
  "mmfar\0" \
  "bfar\0" \
  "image_crc\0" \
  "uptime_ms\0" \
  "firmware_crc\0"

/* UPDATE. How updates of an image fare; a write ends its trial at once: what ran before
 * runs again. */
/* uint: 0 firmware, 1 model */
#define TINYOPS_SMP_UPDATE_IMAGE "image"
/* uint: of the trial: 0 none, 1 pending, 2 runs, and reverts at the next reset */
#define TINYOPS_SMP_UPDATE_STATE "state"
/* uint: of the last trial: 0 none, 1 confirmed, 2 reset, 3 self-test, 4 damaged, 5 refused */
#define TINYOPS_SMP_UPDATE_OUTCOME "outcome"
/* uint: why an update was refused last, an UpdateError; 0: none was since the last upload began */
#define TINYOPS_SMP_UPDATE_REFUSAL "refusal"
/* uint: bytes of the upload under way that were taken */
#define TINYOPS_SMP_UPDATE_WRITTEN "written"
/* uint: bytes of that upload; 0: none is under way */
#define TINYOPS_SMP_UPDATE_ANNOUNCED "announced"
/* uint: least security counter that is accepted */
#define TINYOPS_SMP_UPDATE_COUNTER "counter"
/* uint: how long the last swap stopped inference; 0 without a clock */
#define TINYOPS_SMP_UPDATE_GAP_MS "gap_ms"
/* uint: frames of the board's sensor that were lost in swaps, since start-up */
#define TINYOPS_SMP_UPDATE_LOST "lost"
/* uint: format of the deltas that it takes, 0: none; missing: none */
#define TINYOPS_SMP_UPDATE_DELTAS "deltas"
/* Those that are numbers, in order; a '-' before one with a sign. */
#define TINYOPS_SMP_UPDATE_WORDS \
  "state\0" \
  "outcome\0" \
  "refusal\0" \
  "written\0" \
  "announced\0" \
  "counter\0" \
  "gap_ms\0" \
  "lost\0" \
  "deltas\0"

#endif
