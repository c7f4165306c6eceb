/* The frame protocol between a board and its host, version 1: numbers and payload layouts.
 *
 * Written by tinyops/link, which is its definition and says how frames travel; never edited by
 * hand. NAME_AT is the offset of a field in its payload in bytes, little-endian, without gaps;
 * NAME_SIZE is the length of a payload's fixed fields. */
#ifndef TINYOPS_LINK_H
#define TINYOPS_LINK_H

#define TINYOPS_LINK_VERSION 1u
#define TINYOPS_LINK_DATA_MAX 256u
#define TINYOPS_LINK_PAYLOAD_MAX 272u
#define TINYOPS_LINK_FRAME_MAX 276u
#define TINYOPS_LINK_BOARD_NAME_MAX 64u
#define TINYOPS_LINK_CRC_START 0xffffu
#define TINYOPS_LINK_ANSWER 0x80u
#define TINYOPS_LINK_TENSOR_INPUT 0u
#define TINYOPS_LINK_TENSOR_OUTPUT 1u

/* Frame types. */
#define TINYOPS_LINK_HELLO 0x01u
#define TINYOPS_LINK_SAMPLE 0x02u
#define TINYOPS_LINK_TENSOR_WRITE 0x03u
#define TINYOPS_LINK_TENSOR_READ 0x04u
#define TINYOPS_LINK_INVOKE 0x05u
#define TINYOPS_LINK_STATS 0x06u
#define TINYOPS_LINK_RESET_STATE 0x07u
#define TINYOPS_LINK_CYCLES 0x08u
#define TINYOPS_LINK_COLLECT_START 0x0au
#define TINYOPS_LINK_COLLECT_STOP 0x0bu
#define TINYOPS_LINK_RESULT 0x40u
#define TINYOPS_LINK_FAULT 0x41u
#define TINYOPS_LINK_SAMPLES 0x42u
#define TINYOPS_LINK_ERROR 0xffu

/* Why a request cannot be done, beyond the statuses of model.h. */
/* the model slot is empty */
#define TINYOPS_LINK_ERR_ABSENT (-16)
/* the model image has another ABI version than the firmware */
#define TINYOPS_LINK_ERR_ABI (-17)
/* the model image is larger than its slot */
#define TINYOPS_LINK_ERR_IMAGE_BYTES (-18)
/* the model image wants larger sensor frames than the firmware holds */
#define TINYOPS_LINK_ERR_FRAME_BYTES (-19)
/* the request's payload has the wrong length */
#define TINYOPS_LINK_ERR_REQUEST (-20)
/* the bytes asked for lie outside the tensor or frame */
#define TINYOPS_LINK_ERR_RANGE (-21)
/* the request's type is not known to this firmware */
#define TINYOPS_LINK_ERR_TYPE (-22)
/* a piece of a sensor frame is missing before this one */
#define TINYOPS_LINK_ERR_ORDER (-23)
/* the board has no sensor that its firmware reads: nothing to collect */
#define TINYOPS_LINK_ERR_NO_SENSOR (-24)
/* the board's sensor does not answer, or not at this rate */
#define TINYOPS_LINK_ERR_SENSOR (-25)
/* the model image is no part of a model for this board's place in its chain */
#define TINYOPS_LINK_ERR_PART (-26)

/* index of the first value in its frame */
#define TINYOPS_LINK_SAMPLE_REQUEST_FIRST_AT 0u
/* then int16 values, at least one */
#define TINYOPS_LINK_SAMPLE_REQUEST_SIZE 4u

/* in the input tensor, bytes */
#define TINYOPS_LINK_TENSOR_WRITE_REQUEST_OFFSET_AT 0u
/* then the bytes */
#define TINYOPS_LINK_TENSOR_WRITE_REQUEST_SIZE 4u

/* 0 input, 1 output */
#define TINYOPS_LINK_TENSOR_READ_REQUEST_TENSOR_AT 0u
/* in the tensor, bytes */
#define TINYOPS_LINK_TENSOR_READ_REQUEST_OFFSET_AT 1u
/* bytes wanted, at most TINYOPS_LINK_DATA_MAX */
#define TINYOPS_LINK_TENSOR_READ_REQUEST_COUNT_AT 5u
#define TINYOPS_LINK_TENSOR_READ_REQUEST_SIZE 7u

/* number of the take, the host's choice: its samples carry it */
#define TINYOPS_LINK_COLLECT_START_REQUEST_TAKE_AT 0u
/* frames in 1000 seconds; 0: as the firmware was built for */
#define TINYOPS_LINK_COLLECT_START_REQUEST_RATE_MILLIHZ_AT 1u
#define TINYOPS_LINK_COLLECT_START_REQUEST_SIZE 5u

/* version of this protocol */
#define TINYOPS_LINK_HELLO_REPLY_LINK_AT 0u
/* status of the model slot: 0 or why its image cannot run */
#define TINYOPS_LINK_HELLO_REPLY_STATE_AT 1u
/* model ABI that the firmware speaks */
#define TINYOPS_LINK_HELLO_REPLY_ABI_AT 2u
/* SHA-256 of the firmware's contract */
#define TINYOPS_LINK_HELLO_REPLY_CONTRACT_AT 4u
/* SHA-256 of the image's contract, zeros without an image */
#define TINYOPS_LINK_HELLO_REPLY_MODEL_CONTRACT_AT 36u
/* length of the image */
#define TINYOPS_LINK_HELLO_REPLY_IMAGE_BYTES_AT 68u
/* CRC-32 of the image as the board reads it */
#define TINYOPS_LINK_HELLO_REPLY_IMAGE_CRC_AT 72u
/* arena that the firmware has */
#define TINYOPS_LINK_HELLO_REPLY_ARENA_BYTES_AT 76u
/* arena that the image wants */
#define TINYOPS_LINK_HELLO_REPLY_ARENA_NEEDED_AT 80u
/* length of the input tensor */
#define TINYOPS_LINK_HELLO_REPLY_INPUT_BYTES_AT 84u
/* length of the output tensor */
#define TINYOPS_LINK_HELLO_REPLY_OUTPUT_BYTES_AT 88u
/* int16 values in a sensor frame, 0: tensors only */
#define TINYOPS_LINK_HELLO_REPLY_FRAME_VALUES_AT 92u
/* frames that one inference looks at */
#define TINYOPS_LINK_HELLO_REPLY_WINDOW_FRAMES_AT 96u
/* frames between two inferences */
#define TINYOPS_LINK_HELLO_REPLY_HOP_FRAMES_AT 100u
/* then the board's name, ASCII */
#define TINYOPS_LINK_HELLO_REPLY_SIZE 104u

/* 0; 1 when an inference was run, its RESULT came before */
#define TINYOPS_LINK_SAMPLE_REPLY_STATUS_AT 0u
#define TINYOPS_LINK_SAMPLE_REPLY_SIZE 1u

/* then the bytes */
#define TINYOPS_LINK_TENSOR_READ_REPLY_SIZE 0u

/* how long the model ran */
#define TINYOPS_LINK_INVOKE_REPLY_TICKS_AT 0u
/* ticks a second; 0: ticks are instructions; 1: nothing is counted */
#define TINYOPS_LINK_INVOKE_REPLY_TICK_HZ_AT 4u
#define TINYOPS_LINK_INVOKE_REPLY_SIZE 8u

/* deepest use of the painted stack since start-up, bytes */
#define TINYOPS_LINK_STATS_REPLY_STACK_USED_AT 0u
/* size of the stack */
#define TINYOPS_LINK_STATS_REPLY_STACK_BYTES_AT 4u
/* RAM taken by data, bss and arena */
#define TINYOPS_LINK_STATS_REPLY_STATIC_BYTES_AT 8u
/* since start-up */
#define TINYOPS_LINK_STATS_REPLY_INFERENCES_AT 12u
/* dropped since start-up */
#define TINYOPS_LINK_STATS_REPLY_BAD_FRAMES_AT 16u
#define TINYOPS_LINK_STATS_REPLY_SIZE 20u

/* core cycles of the last inference, modulo 2^bits */
#define TINYOPS_LINK_CYCLES_REPLY_CYCLES_AT 0u
/* of the counter; 0: this core counts none */
#define TINYOPS_LINK_CYCLES_REPLY_BITS_AT 4u
/* 1: an emulator runs this firmware, whose cycles are none */
#define TINYOPS_LINK_CYCLES_REPLY_EMULATED_AT 5u
#define TINYOPS_LINK_CYCLES_REPLY_SIZE 6u

/* number of the inference, from 0 at start-up or RESET_STATE */
#define TINYOPS_LINK_RESULT_REPLY_INDEX_AT 0u
/* how long prepare and invoke took */
#define TINYOPS_LINK_RESULT_REPLY_TICKS_AT 4u
/* index of the largest output, the first among equals */
#define TINYOPS_LINK_RESULT_REPLY_BEST_AT 8u
/* outputs of the model; the tail holds the first of them */
#define TINYOPS_LINK_RESULT_REPLY_OUTPUTS_AT 10u
/* then int8 outputs */
#define TINYOPS_LINK_RESULT_REPLY_SIZE 12u

/* program counter where it happened */
#define TINYOPS_LINK_FAULT_REPLY_PC_AT 0u
/* return address there */
#define TINYOPS_LINK_FAULT_REPLY_LR_AT 4u
/* program status there */
#define TINYOPS_LINK_FAULT_REPLY_PSR_AT 8u
#define TINYOPS_LINK_FAULT_REPLY_SIZE 12u

/* frames in 1000 seconds, as the sensor takes it */
#define TINYOPS_LINK_COLLECT_START_REPLY_RATE_MILLIHZ_AT 0u
/* int16 values in a frame */
#define TINYOPS_LINK_COLLECT_START_REPLY_FRAME_VALUES_AT 4u
#define TINYOPS_LINK_COLLECT_START_REPLY_SIZE 8u

/* made by the sensor since COLLECT_START, modulo 2^32, lost ones among them */
#define TINYOPS_LINK_COLLECT_STOP_REPLY_FRAMES_AT 0u
/* of them that the board lost, because nobody took them in time */
#define TINYOPS_LINK_COLLECT_STOP_REPLY_MISSED_AT 4u
#define TINYOPS_LINK_COLLECT_STOP_REPLY_SIZE 8u

/* as COLLECT_START gave it */
#define TINYOPS_LINK_SAMPLES_REPLY_TAKE_AT 0u
/* index of the first frame since COLLECT_START, modulo 2^32; lost frames count */
#define TINYOPS_LINK_SAMPLES_REPLY_FRAME_AT 1u
/* index of the first value in that frame: a large frame comes in pieces */
#define TINYOPS_LINK_SAMPLES_REPLY_VALUE_AT 5u
/* the board's clock when it took the newest of these frames, modulo 2^32 */
#define TINYOPS_LINK_SAMPLES_REPLY_CLOCK_MS_AT 9u
/* then int16 values: whole frames one after the other, or a piece of one */
#define TINYOPS_LINK_SAMPLES_REPLY_SIZE 13u

/* why */
#define TINYOPS_LINK_ERROR_REPLY_STATUS_AT 0u
#define TINYOPS_LINK_ERROR_REPLY_SIZE 1u

#endif
