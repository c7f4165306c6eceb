"""The host's end of the link: requests, answers, and what they mean."""

from __future__ import annotations

import struct
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from tinyops.errors import ToolError
from tinyops.link.codec import Decoder, Frame, encode
from tinyops.link.protocol import (
    DATA_MAX,
    REPLIES,
    REPLY,
    REQUESTS,
    STATUS_TEXT,
    Layout,
    Status,
    Tensor,
    Type,
    rows_of_input,
)

ASK_AGAIN_S = 0.25


@dataclass(frozen=True)
class Hello:
    """Who a board is and what it runs. `state` is 0 (Status.OK) when its model image can run. Sizes in bytes."""

    link: int
    state: int
    abi: int
    contract: bytes
    model_contract: bytes
    image_bytes: int
    image_crc: int
    arena_bytes: int
    arena_needed: int
    input_bytes: int
    output_bytes: int
    frame_values: int
    window_frames: int
    hop_frames: int
    board: str

    @property
    def input_rows(self) -> int:
        """How many pieces of input_bytes make an input; see `rows_of_input`."""
        return rows_of_input(self.input_bytes, self.frame_values, self.window_frames)


@dataclass(frozen=True)
class Timing:
    """How long the model ran. `tick_hz` 0: ticks are instructions; 1: the board cannot count."""

    ticks: int
    tick_hz: int


@dataclass(frozen=True)
class Cycles:
    """What the core counted in the last inference, modulo 2^`bits`; `bits` 0: it counts nothing.

    `emulated`: an emulator runs the firmware, whatever it says of cycles.
    """

    cycles: int
    bits: int
    emulated: bool


@dataclass(frozen=True)
class Stats:
    """Memory in bytes and counters, since the board started."""

    stack_used: int
    stack_bytes: int
    static_bytes: int
    inferences: int
    bad_frames: int


@dataclass(frozen=True)
class Result:
    """One inference on frames: the winning class and the first int8 outputs, as bytes."""

    index: int
    ticks: int
    best: int
    outputs: int
    values: bytes


class LinkError(ToolError):
    """A board does not answer, or its answer makes no sense."""


class LinkTimeout(LinkError):
    """No answer within the time limit."""


class LinkClosed(LinkError):
    """The other end closed the stream: a program that ended, a port that vanished."""


class Refused(LinkError):
    """The board answered that the request cannot be done. `status` says why (a Status, or a newer board's number)."""

    def __init__(self, message: str, status: int) -> None:
        super().__init__(message)
        self.status = status


class BoardFault(LinkError):
    """The program on the board crashed: program counter, return address, program status."""

    def __init__(self, message: str, pc: int, lr: int, psr: int) -> None:
        super().__init__(message)
        self.pc, self.lr, self.psr = pc, lr, psr


def describe_status(status: int) -> str:
    """A sentence for a status, also for one that this version does not know."""
    try:
        return STATUS_TEXT[Status(status)]
    except ValueError:
        return f"status {status}, unknown to this version of tinyops"


class ByteStream(Protocol):
    """A two-way stream of bytes: a serial port, a socket, a pipe."""

    def read(self, timeout_s: float) -> bytes:
        """What has come, waiting for the first byte at most `timeout_s`; b"" at the time limit.

        Raises LinkClosed when the other end is gone.
        """

    def write(self, data: bytes, timeout_s: float) -> None:
        """Sends everything. Raises LinkTimeout or LinkClosed."""


class Link:
    """The host's end: one request at a time, answered within `timeout_s` seconds or LinkTimeout.

    `name` begins every error message. Every call may raise a LinkError. `told` gets the frames that are none of the
    link's, of whoever shares the line.
    """

    RESULTS_MAX = 1024  # reports kept for a caller who does not fetch them; the oldest go first

    def __init__(self, stream: ByteStream, *, name: str, timeout_s: float = 5.0) -> None:
        self.name = name
        self.told: Callable[[Frame], None] = _nothing
        self.timeout_s = timeout_s
        self.decoder = Decoder()
        self._stream = stream
        self._sequence = 0
        self._frames: deque[Frame] = deque()
        self._results: deque[Result] = deque(maxlen=self.RESULTS_MAX)

    @property
    def stream(self) -> ByteStream:
        """The line that it speaks on, for whoever lends it to others."""
        return self._stream

    def hello(self, timeout_s: float | None = None) -> Hello:
        """Asks again, ever less often: a board that is just starting may clear away what came meanwhile."""
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        patience_s = ASK_AGAIN_S
        while True:
            left_s = deadline - time.monotonic()
            try:
                values, tail = self._ask(Type.HELLO, timeout_s=min(left_s, patience_s))
                break
            except LinkTimeout:
                if left_s <= patience_s:
                    raise
                patience_s *= 2
        return Hello(*values, tail.decode("ascii", "replace"))  # type: ignore[arg-type, call-arg]

    def stats(self) -> Stats:
        return Stats(*self._ask(Type.STATS)[0])  # type: ignore[arg-type]

    def reset_state(self) -> None:
        """Makes the model forget the frames pushed so far; inferences count from 0 again."""
        self._ask(Type.RESET_STATE)
        self._results.clear()

    def write_input(self, data: bytes) -> None:
        """Fills the input tensor, or the row that is wanted next, from its start."""
        layout = REQUESTS[Type.TENSOR_WRITE]
        for offset in range(0, len(data), DATA_MAX):
            self._ask(Type.TENSOR_WRITE, layout.pack(offset, tail=data[offset : offset + DATA_MAX]))

    def read_tensor(self, tensor: Tensor, count: int) -> bytes:
        """The first `count` bytes of a tensor."""
        data = bytearray()
        while len(data) < count:
            wanted = min(DATA_MAX, count - len(data))
            _, piece = self._ask(Type.TENSOR_READ, REQUESTS[Type.TENSOR_READ].pack(tensor, len(data), wanted))
            if len(piece) != wanted:
                raise LinkError(f"{self.name}: sent {len(piece)} bytes of a tensor where {wanted} were asked for")
            data += piece
        return bytes(data)

    def invoke(self, timeout_s: float | None = None) -> Timing:
        """Runs the model once on the input tensor, or as far as the row allows; neither is preserved."""
        return Timing(*self._ask(Type.INVOKE, timeout_s=timeout_s)[0])  # type: ignore[arg-type]

    def cycles(self) -> Cycles | None:
        """Core cycles of the last inference; None from firmware that does not know the question."""
        try:
            cycles, bits, emulated = self._ask(Type.CYCLES)[0]
        except Refused as refusal:
            if refusal.status == Status.TYPE:
                return None
            raise
        return Cycles(int(cycles), int(bits), bool(emulated))

    def sample(self, frame: Sequence[int], timeout_s: float | None = None) -> Result | None:
        """Sends one sensor frame of int16 values; the inference that it completed, if it did."""
        if not self.push(frame, timeout_s):
            return None
        if not self._results:
            raise LinkError(f"{self.name}: ran an inference and sent no result")
        return self._results.pop()

    def push(self, frame: Sequence[int], timeout_s: float | None = None) -> bool:
        """Sends one sensor frame of int16 values; whether it completed a window. Of a part that is not the last the
        result comes from another one."""
        layout, step = REQUESTS[Type.SAMPLE], DATA_MAX // 2
        status: int | bytes = Status.OK
        for first in range(0, len(frame), step):
            piece = frame[first : first + step]
            payload = layout.pack(first, tail=struct.pack(f"<{len(piece)}h", *piece))
            (status,), _ = self._ask(Type.SAMPLE, payload, timeout_s=timeout_s)
        return status == Status.DUE

    def next_result(self, timeout_s: float | None = None) -> Result:
        """The oldest report of an inference that nobody has fetched: of a board that samples its own sensor."""
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        while not self._results:
            self._take_report(self._next(deadline, Type.RESULT))
        return self._results.popleft()

    def results(self) -> list[Result]:
        """The reports that nobody has fetched, without waiting for any."""
        found = list(self._results)
        self._results.clear()
        return found

    def listen(self, timeout_s: float) -> bool:
        """Takes what comes until a frame has, or the time is over: a report is kept, others go to `told`.

        Whether one came.
        """
        try:
            self._take_report(self._next(time.monotonic() + timeout_s, Type.RESULT))
        except LinkTimeout:
            return False
        return True

    def _take_report(self, frame: Frame) -> bool:
        """Whether it was one. Raises BoardFault for that of a crash."""
        if frame.type == Type.FAULT:
            raise self._fault(frame.payload)
        if frame.type == Type.RESULT:
            values, tail = self._unpack(REPLIES[Type.RESULT], frame.payload, "RESULT")
            self._results.append(Result(*values, tail))  # type: ignore[arg-type, call-arg]
        elif not frame.type & REPLY:
            self.told(frame)
        return frame.type == Type.RESULT

    def request(self, kind: int, payload: bytes = b"", timeout_s: float | None = None) -> bytes:
        """Sends one request and returns the payload of its answer. Late answers to earlier requests are dropped."""
        self._sequence = (self._sequence + 1) % 256
        deadline = time.monotonic() + (self.timeout_s if timeout_s is None else timeout_s)
        self._stream.write(encode(Frame(kind, self._sequence, payload)), self.timeout_s)
        while True:
            frame = self._next(deadline, kind)
            if self._take_report(frame):
                continue
            if frame.sequence == self._sequence and frame.type == Type.ERROR:
                raise self._refusal(kind, frame.payload)
            if frame.sequence == self._sequence and frame.type == kind | REPLY:
                return frame.payload

    def _ask(
        self, kind: Type, payload: bytes = b"", timeout_s: float | None = None
    ) -> tuple[tuple[int | bytes, ...], bytes]:
        return self._unpack(REPLIES[kind], self.request(kind, payload, timeout_s), kind.name)

    def _unpack(self, layout: Layout, payload: bytes, what: str) -> tuple[tuple[int | bytes, ...], bytes]:
        try:
            return layout.unpack(payload)
        except ValueError as error:
            hint = "its firmware speaks another version of the link: flash the released one"
            raise LinkError(f"{self.name}: answered {what} with a {error}", hint=hint) from None

    def _next(self, deadline: float, kind: int) -> Frame:
        while not self._frames:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise LinkTimeout(f"{self.name}: no answer to {_type_name(kind)} within the time limit")
            self._frames.extend(self.decoder.feed(self._stream.read(left_s)))
        return self._frames.popleft()

    def _refusal(self, kind: int, payload: bytes) -> Refused:
        (status,), _ = self._unpack(REPLIES[Type.ERROR], payload, "ERROR")
        assert isinstance(status, int)
        return Refused(f"{self.name}: refused {_type_name(kind)}: {describe_status(status)}", status)

    def _fault(self, payload: bytes) -> BoardFault:
        (pc, lr, psr), _ = self._unpack(REPLIES[Type.FAULT], payload, "FAULT")
        assert isinstance(pc, int) and isinstance(lr, int) and isinstance(psr, int)
        return BoardFault(f"{self.name}: the program crashed at {pc:#010x}, called from {lr:#010x}", pc, lr, psr)


def _nothing(_: Frame) -> None: ...


def _type_name(kind: int) -> str:
    return Type(kind).name if kind in set(Type) else f"type {kind:#04x}"
