"""The frame protocol between a board and its host, over any stream of bytes. This package is its one definition.

A frame on the line is COBS(type, sequence, payload, CRC) between two 0x00 bytes. The CRC is
CRC-16/CCITT-FALSE (polynomial 0x1021, initial value 0xFFFF, not reflected) over type, sequence and
payload, little-endian as every other number. Bytes between two 0x00 that are no frame are dropped
and counted. Lines of an SMP console share the line; see tinyops/link/smp. They begin 06 09 or 04 14,
end with a newline, hold no 0x00, and begin nowhere between the two 0x00 of a frame; so no request has
type 0x09 or 0x14.

Two programs speak it: the application, which runs a model, and the collector, which sends what the sensor measures;
`APPLICATION` and `COLLECTOR` say which requests each serves. A collector's HELLO has the digest of its signal's
contract and no model. When its sensor fails in a take, it ends that by a second answer to COLLECT_START, an ERROR.

The host asks, the board answers with type | 0x80 and the same sequence number, or with ERROR. A
board sends RESULT and FAULT unasked. One request is under way at a time: a board with a small
receive FIFO reads nothing while it computes. Requests carry the payloads of `REQUESTS`, answers and
reports those of `REPLIES`; `*_tail` says what may follow the fixed fields.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import IntEnum

LINK_VERSION = 1
DATA_MAX = 256  # bytes of tensor, of frame values or of outputs in one frame
PAYLOAD_MAX = DATA_MAX + 16
FRAME_MAX = 2 + PAYLOAD_MAX + 2
ENCODED_MAX = FRAME_MAX + FRAME_MAX // 254 + 1
BOARD_NAME_MAX = 64
CRC_START = 0xFFFF
REPLY = 0x80


def rows_of_input(input_bytes: int, frame_values: int, window_frames: int) -> int:
    """How many times `input_bytes` are written, and the model invoked, for one inference; the arguments as in a
    model's header.

    1, or the rows of an input that is streamed: then each of the window's frames is one row.
    """
    streamed = window_frames > 1 and frame_values in (0, input_bytes)
    return window_frames if streamed else 1


class Type(IntEnum):
    """Frame types. Requests are below 0x40, reports sent unasked from 0x40."""

    HELLO = 0x01  # who are you, what do you run
    SAMPLE = 0x02  # one sensor frame, or a piece of it, in order from value 0
    TENSOR_WRITE = 0x03  # bytes into the input tensor
    TENSOR_READ = 0x04  # bytes of the input or the output tensor
    INVOKE = 0x05  # run the model on the input tensor
    STATS = 0x06  # memory and counters since start-up
    RESET_STATE = 0x07  # forget all frames pushed so far
    CYCLES = 0x08  # core cycles of the last inference; firmware before it answers ERROR with TYPE
    COLLECT_START = 0x0A  # begin to send what the sensor measures; only a collector's firmware knows it
    COLLECT_STOP = 0x0B  # end it
    RESULT = 0x40  # report: an inference on frames is done
    FAULT = 0x41  # report: the program crashed and the board restarts
    SAMPLES = 0x42  # report: frames of the sensor, while it is collected from
    ERROR = 0xFF  # answer to a request that cannot be done


class Status(IntEnum):
    """Why a request cannot be done. -1 to -6, 1 and 2 are those of model.h."""

    OK = 0
    DUE = 1
    MORE = 2
    ARENA = -1
    STATE = -2
    IMAGE = -3
    CONTRACT = -4
    UNSUPPORTED = -5
    ARENA_BYTES = -6
    ABSENT = -16
    ABI = -17
    IMAGE_BYTES = -18
    FRAME_BYTES = -19
    REQUEST = -20
    RANGE = -21
    TYPE = -22
    ORDER = -23
    NO_SENSOR = -24
    SENSOR = -25
    PART = -26


STATUS_TEXT: dict[Status, str] = {
    Status.OK: "done",
    Status.DUE: "done, and a window is complete",
    Status.MORE: "done, and the next row of the input is wanted",
    Status.ARENA: "the arena is missing or not aligned",
    Status.STATE: "asked out of order: no window is complete",
    Status.IMAGE: "the model slot holds no valid model image",
    Status.CONTRACT: "the model image was made for another contract than the firmware",
    Status.UNSUPPORTED: "the model image takes tensors only, not sensor frames",
    Status.ARENA_BYTES: "the model image wants a larger arena than the firmware has",
    Status.ABSENT: "the model slot is empty",
    Status.ABI: "the model image has another ABI version than the firmware",
    Status.IMAGE_BYTES: "the model image is larger than its slot",
    Status.FRAME_BYTES: "the model image wants larger sensor frames than the firmware holds",
    Status.REQUEST: "the request's payload has the wrong length",
    Status.RANGE: "the bytes asked for lie outside the tensor or frame",
    Status.TYPE: "the request's type is not known to this firmware",
    Status.ORDER: "a piece of a sensor frame is missing before this one",
    Status.NO_SENSOR: "the board has no sensor that its firmware reads: nothing to collect",
    Status.SENSOR: "the board's sensor does not answer, or not at this rate",
    Status.PART: "the model image is no part of a model for this board's place in its chain",
}


class Tensor(IntEnum):
    """What TENSOR_READ reads."""

    INPUT = 0
    OUTPUT = 1


@dataclass(frozen=True)
class Field:
    """One number or byte string of a payload: a `struct` format without byte order, and what it is."""

    name: str
    format: str
    doc: str

    @property
    def size(self) -> int:
        return struct.calcsize("<" + self.format)


@dataclass(frozen=True)
class Layout:
    """The fixed fields of a payload, packed without gaps, and how many bytes may follow them."""

    fields: tuple[Field, ...]
    tail_max: int = 0
    tail_doc: str = ""

    @property
    def size(self) -> int:
        return sum(f.size for f in self.fields)

    def pack(self, *values: int | bytes, tail: bytes = b"") -> bytes:
        return struct.pack(self._format, *values) + tail

    def unpack(self, payload: bytes) -> tuple[tuple[int | bytes, ...], bytes]:
        """The fields' values and what follows. Raises ValueError when the length is wrong."""
        if not self.size <= len(payload) <= self.size + self.tail_max:
            raise ValueError(f"payload of {len(payload)} bytes, expected {self.size} to {self.size + self.tail_max}")
        return struct.unpack_from(self._format, payload), payload[self.size :]

    @property
    def _format(self) -> str:
        return "<" + "".join(f.format for f in self.fields)


REQUESTS: dict[Type, Layout] = {
    Type.HELLO: Layout(()),
    Type.SAMPLE: Layout(
        (Field("first", "I", "index of the first value in its frame"),), DATA_MAX, "int16 values, at least one"
    ),
    Type.TENSOR_WRITE: Layout((Field("offset", "I", "in the input tensor, bytes"),), DATA_MAX, "the bytes"),
    Type.TENSOR_READ: Layout(
        (
            Field("tensor", "B", "0 input, 1 output"),
            Field("offset", "I", "in the tensor, bytes"),
            Field("count", "H", "bytes wanted, at most TINYOPS_LINK_DATA_MAX"),
        )
    ),
    Type.INVOKE: Layout(()),
    Type.STATS: Layout(()),
    Type.RESET_STATE: Layout(()),
    Type.CYCLES: Layout(()),
    Type.COLLECT_START: Layout(
        (
            Field("take", "B", "number of the take, the host's choice: its samples carry it"),
            Field("rate_millihz", "I", "frames in 1000 seconds; 0: as the firmware was built for"),
        )
    ),
    Type.COLLECT_STOP: Layout(()),
}

COLLECTOR = frozenset({Type.HELLO, Type.STATS, Type.RESET_STATE, Type.COLLECT_START, Type.COLLECT_STOP})
APPLICATION = frozenset(REQUESTS) - {Type.COLLECT_START, Type.COLLECT_STOP}

REPLIES: dict[Type, Layout] = {
    Type.HELLO: Layout(
        (
            Field("link", "B", "version of this protocol"),
            Field("state", "b", "status of the model slot: 0 or why its image cannot run"),
            Field("abi", "H", "model ABI that the firmware speaks"),
            Field("contract", "32s", "SHA-256 of the firmware's contract"),
            Field("model_contract", "32s", "SHA-256 of the image's contract, zeros without an image"),
            Field("image_bytes", "I", "length of the image"),
            Field("image_crc", "I", "CRC-32 of the image as the board reads it"),
            Field("arena_bytes", "I", "arena that the firmware has"),
            Field("arena_needed", "I", "arena that the image wants"),
            Field("input_bytes", "I", "length of the input tensor"),
            Field("output_bytes", "I", "length of the output tensor"),
            Field("frame_values", "I", "int16 values in a sensor frame, 0: tensors only"),
            Field("window_frames", "I", "frames that one inference looks at"),
            Field("hop_frames", "I", "frames between two inferences"),
        ),
        BOARD_NAME_MAX,
        "the board's name, ASCII",
    ),
    Type.SAMPLE: Layout((Field("status", "b", "0; 1 when an inference was run, its RESULT came before"),)),
    Type.TENSOR_WRITE: Layout(()),
    Type.TENSOR_READ: Layout((), DATA_MAX, "the bytes"),
    Type.INVOKE: Layout(
        (
            Field("ticks", "I", "how long the model ran"),
            Field("tick_hz", "I", "ticks a second; 0: ticks are instructions; 1: nothing is counted"),
        )
    ),
    Type.STATS: Layout(
        (
            Field("stack_used", "I", "deepest use of the painted stack since start-up, bytes"),
            Field("stack_bytes", "I", "size of the stack"),
            Field("static_bytes", "I", "RAM taken by data, bss and arena"),
            Field("inferences", "I", "since start-up"),
            Field("bad_frames", "I", "dropped since start-up"),
        )
    ),
    Type.RESET_STATE: Layout(()),
    Type.CYCLES: Layout(
        (
            Field("cycles", "I", "core cycles of the last inference, modulo 2^bits"),
            Field("bits", "B", "of the counter; 0: this core counts none"),
            Field("emulated", "B", "1: an emulator runs this firmware, whose cycles are none"),
        )
    ),
    Type.RESULT: Layout(
        (
            Field("index", "I", "number of the inference, from 0 at start-up or RESET_STATE"),
            Field("ticks", "I", "how long prepare and invoke took"),
            Field("best", "H", "index of the largest output, the first among equals"),
            Field("outputs", "H", "outputs of the model; the tail holds the first of them"),
        ),
        DATA_MAX,
        "int8 outputs",
    ),
    Type.FAULT: Layout(
        (
            Field("pc", "I", "program counter where it happened"),
            Field("lr", "I", "return address there"),
            Field("psr", "I", "program status there"),
        )
    ),
    Type.COLLECT_START: Layout(
        (
            Field("rate_millihz", "I", "frames in 1000 seconds, as the sensor takes it"),
            Field("frame_values", "I", "int16 values in a frame"),
        )
    ),
    Type.COLLECT_STOP: Layout(
        (
            Field("frames", "I", "made by the sensor since COLLECT_START, modulo 2^32, lost ones among them"),
            Field("missed", "I", "of them that the board lost, because nobody took them in time"),
        )
    ),
    Type.SAMPLES: Layout(
        (
            Field("take", "B", "as COLLECT_START gave it"),
            Field("frame", "I", "index of the first frame since COLLECT_START, modulo 2^32; lost frames count"),
            Field("value", "I", "index of the first value in that frame: a large frame comes in pieces"),
            Field("clock_ms", "I", "the board's clock when it took the newest of these frames, modulo 2^32"),
        ),
        DATA_MAX,
        "int16 values: whole frames one after the other, or a piece of one",
    ),
    Type.ERROR: Layout((Field("status", "b", "why"),)),
}
