"""Feeding a virtual board its golden vectors and measuring what they cost."""

from __future__ import annotations

import contextlib
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from tinyops.errors import DoesNotFit, ToolError
from tinyops.link import (
    BoardFault,
    Hello,
    LinkClosed,
    LinkError,
    LinkTimeout,
    Refused,
    Result,
    Stats,
    Status,
    Tensor,
    Timing,
    describe_status,
)
from tinyops.link.protocol import DATA_MAX, LINK_VERSION
from tinyops.twin.golden import Golden, Stream
from tinyops.twin.machine import BOOT_TIMEOUT_S, INVOKE_TIMEOUT_S, Counted

NANOSECONDS = 1_000_000_000


@dataclass(frozen=True)
class Expected:
    """Who must answer: the contract's digest, and the model image's bytes where the board reads them from a slot."""

    contract: bytes
    image: bytes | None


class BoardLink(Protocol):
    """What is asked of a board: a link over a stream of bytes, or something that answers as one does."""

    def hello(self, timeout_s: float | None = None) -> Hello: ...

    def write_input(self, data: bytes) -> None: ...

    def invoke(self, timeout_s: float | None = None) -> Timing: ...

    def read_tensor(self, tensor: Tensor, count: int) -> bytes: ...

    def sample(self, frame: Sequence[int], timeout_s: float | None = None) -> Result | None: ...

    def stats(self) -> Stats: ...

    def reset_state(self) -> None: ...


@runtime_checkable
class Reporting(Protocol):
    """A link that also carries what the board says unasked."""

    def next_result(self, timeout_s: float | None = None) -> Result: ...


class RunningBoard(Protocol):
    """A board that answers on a link: a twin, or a real one."""

    @property
    def name(self) -> str: ...

    @property
    def link(self) -> BoardLink: ...

    def how_it_ended(self) -> str: ...


class Twin(RunningBoard, Protocol):
    """A virtual board. What its kind of emulator cannot do raises ToolError saying so; see machine.Bare."""

    def reset(self) -> None: ...

    def power_cut(self) -> None: ...

    def cut_in(self, operation: int) -> None: ...

    def measure(self) -> Counted: ...


@dataclass(frozen=True)
class Measured:
    """Bytes and instructions of one run. `instructions` is the most of all vectors, None where nothing counts them;
    `resolution` is the size of a counting step, in instructions. `static_bytes` includes an arena of `arena_bytes`."""

    instructions: int | None
    resolution: float | None
    stack_used: int
    static_bytes: int
    arena_bytes: int
    arena_needed: int
    timings: tuple[Timing, ...]

    @property
    def ram_bytes(self) -> int:
        """What the board needs for this model: all RAM but the unused end of the arena and of the stack. Of a process
        that cannot tell (0 static bytes) it is the arena."""
        return max(self.static_bytes - self.arena_bytes, 0) + self.arena_needed + self.stack_used


def greet(virtual: RunningBoard, expected: Expected) -> Hello:
    """Waits for the board to be up and checks who it is. Raises ToolError naming what differs."""
    with naming(virtual, "start-up"):
        hello = virtual.link.hello(timeout_s=BOOT_TIMEOUT_S)
    wrong = _find_wrong(hello, expected)
    if wrong:
        raise ToolError(f"{virtual.name}: {wrong}", hint="firmware, model image and contract are not of one build")
    return hello


def _find_wrong(hello: Hello, expected: Expected) -> str:
    if hello.link != LINK_VERSION:
        return f"its firmware speaks version {hello.link} of the link, not {LINK_VERSION}"
    if hello.contract != expected.contract:
        return f"its firmware was built for contract {hello.contract.hex()[:12]}…, not {expected.contract.hex()[:12]}…"
    if hello.state != Status.OK:
        return describe_status(hello.state)
    if expected.image is not None and hello.image_bytes != len(expected.image):
        return f"it reads a model image of {hello.image_bytes:,} bytes, the file has {len(expected.image):,}"
    if expected.image is not None and hello.image_crc != zlib.crc32(expected.image):
        return "the model image that it reads is not the one in the file"
    return ""


def prove(virtual: RunningBoard, hello: Hello, golden: Golden, report: Callable[[int], None]) -> Measured:
    """Runs every vector and compares every output byte; `report` gets the number of vectors done.

    Raises ToolError naming board, vector and byte for a mismatch, and board and vector for a crash, a
    hang or a refusal.
    """
    takes = hello.input_bytes * hello.input_rows
    if (takes, hello.output_bytes) != (golden.input_bytes, golden.output_bytes):
        raise ToolError(
            f"{virtual.name}: its model takes {takes} and gives {hello.output_bytes} bytes, "
            f"the golden vectors have {golden.input_bytes} and {golden.output_bytes}"
        )
    wanted = [output for _, output in golden.vectors]

    def check(index: int, got: bytes) -> None:
        compare(virtual.name, f"vector {index}", got, wanted[index])
        report(index + 1)

    return exercise(virtual, hello, [tensor for tensor, _ in golden.vectors], check)


def exercise(
    virtual: RunningBoard, hello: Hello, tensors: Sequence[bytes], on_output: Callable[[int, bytes], None]
) -> Measured:
    """Runs an inference on each input, one after another from a cleared state, as the interpreter did for the golden
    vectors; `on_output` gets its number and its output bytes as soon as they are there.

    Raises ToolError naming board and vector for a crash, a hang or a refusal, DoesNotFit for a stack used up.
    """
    timings = []
    with naming(virtual, "reset"):
        virtual.link.reset_state()
    for index, tensor in enumerate(tensors):
        with naming(virtual, f"vector {index}"):
            timings.append(feed(virtual.link, tensor, hello.input_rows))
            got = virtual.link.read_tensor(Tensor.OUTPUT, hello.output_bytes)
        on_output(index, got)
    with naming(virtual, "measuring"):
        stats = virtual.link.stats()
    if stats.stack_bytes and stats.stack_used >= stats.stack_bytes:  # 0: the board cannot tell
        raise DoesNotFit(
            f"{virtual.name}: the stack of {stats.stack_bytes:,} bytes is used up",
            hint="give it a larger stack_bytes in the board's layout",
        )
    return Measured(
        *count_instructions(timings),
        stats.stack_used,
        stats.static_bytes,
        hello.arena_bytes,
        hello.arena_needed,
        tuple(timings),
    )


def feed(link: BoardLink, tensor: bytes, rows: int = 1) -> Timing:
    """One inference on an input tensor, in as many pieces as the model takes it; the time of all together."""
    size = len(tensor) // rows
    timings = []
    for start in range(0, len(tensor), size):
        link.write_input(tensor[start : start + size])
        timings.append(link.invoke(timeout_s=INVOKE_TIMEOUT_S))
    return replace(timings[0], ticks=sum(timing.ticks for timing in timings))


def play(virtual: RunningBoard, stream: Stream) -> None:
    """Streams a recording from a cleared state and compares each inference. Raises ToolError as `prove` does."""
    results = []
    with naming(virtual, "stream"):
        virtual.link.reset_state()
    for index, frame in enumerate(stream.frames):
        with naming(virtual, f"stream frame {index}"):
            result = virtual.link.sample(frame, timeout_s=INVOKE_TIMEOUT_S)
        if result is not None:
            results.append(result.values)
    if len(results) != len(stream.results):
        raise ToolError(f"{virtual.name}: the stream gave {len(results)} results, expected {len(stream.results)}")
    for index, (got, wanted) in enumerate(zip(results, stream.results, strict=True)):
        compare(virtual.name, f"stream result {index}", got, wanted[:DATA_MAX])


def count_instructions(timings: list[Timing]) -> tuple[int | None, float | None]:
    """The most instructions of all runs and the size of a counting step; (None, None) where nothing is counted."""
    worst = max(timings, key=lambda timing: timing.ticks)
    if worst.tick_hz == 1:
        return None, None
    if worst.tick_hz == 0:
        return worst.ticks, 1.0
    step = NANOSECONDS / worst.tick_hz
    return round(worst.ticks * step), step


def compare(name: str, where: str, got: bytes, wanted: bytes) -> None:
    """Raises ToolError naming the first byte that differs."""
    if got == wanted:
        return
    differing = [i for i, (a, b) in enumerate(zip(got, wanted, strict=True)) if a != b]
    at = differing[0]
    raise ToolError(
        f"{name}: {where}: output byte {at} is {_signed(got[at])}, expected {_signed(wanted[at])} "
        f"({len(differing)} of {len(wanted)} bytes differ)",
        hint="the compiled model is not bit-exact with the interpreter: this is a defect of tinyops, please report it",
    )


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


@contextlib.contextmanager
def naming(virtual: RunningBoard, where: str) -> Iterator[None]:
    """Says of every failure on the link where it happened, and how the board ended when it did."""
    try:
        yield
    except LinkClosed as error:
        raise ToolError(f"{virtual.name}: {where}: the board crashed: {virtual.how_it_ended()}") from error
    except BoardFault as error:
        how = f"at {error.pc:#010x}" if error.pc else "because its stack overflowed"
        raise ToolError(f"{virtual.name}: {where}: the program crashed {how}") from error
    except LinkTimeout as error:
        raise ToolError(f"{virtual.name}: {where}: the board hangs: no answer within the time limit") from error
    except (Refused, LinkError) as error:
        raise ToolError(f"{virtual.name}: {where}: {error.message}") from error
