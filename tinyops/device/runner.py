"""The child process that loads a compiled model: proves it with golden vectors, or runs it on a recording.

`python -m tinyops.device.runner` reads one job (JSON) from standard input and writes one result
(JSON) to standard output. A crash or a hang of the model ends this process only. Standard library
only, so that it starts in milliseconds.
"""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import json
import os
import resource
import signal
import struct
import sys
from array import array
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from tinyops.device.sensor import SensorError, read_frames

if TYPE_CHECKING:
    from tinyops.device.posting import Poster

MAGIC = 0x314D4F54  # "TOM1"
PART_MAGIC = 0x31504F54  # "TOP1"
NOWHERE = 0xFFFFFFFF
ABI = 1
DUE = 1
ARENA_ALIGN = 16
ARENA_LIMIT_BYTES = 512 * 1024 * 1024
MEMORY_LIMIT_BYTES = 2 * 1024 * 1024 * 1024
GUARD_BYTES = 4096
GUARD = 0xA5
GOLDEN_LIMIT_BYTES = 256 * 1024 * 1024
GOLDEN_HEADER = struct.Struct("<4sIII")
TYPE_CODES = {"int8": "b", "uint8": "B", "int16": "h", "int32": "i", "float32": "f"}
STATUSES = {
    -1: "arena is null or not aligned",
    -2: "called out of order",
    -3: "not a model image",
    -4: "made for another contract",
    -5: "takes tensors only",
    -6: "wants a larger arena",
}
POSTING_S = 10.0  # for results that still wait to be posted when the recording is at its end
MARGIN_S = 1.0
TENTHS = 10
SHARES = {"int8": (1 / 256, -128), "uint8": (1 / 256, 0), "int16": (1 / 32768, 0), "float32": (1.0, 0)}  # of a Softmax
SHARES_OFF = 0.1  # by which the sum of rounded shares may differ from one
_PR_SET_PDEATHSIG = 1


class ModelError(Exception):
    """The model is wrong; the message says how."""


class Header(ctypes.Structure):
    """`tinyops_model_header` of model.h."""

    _fields_: ClassVar = [
        ("magic", ctypes.c_uint32),
        ("abi", ctypes.c_uint16),
        ("header_bytes", ctypes.c_uint16),
        *((name, ctypes.c_uint32) for name in ("image_bytes", "arena_bytes", "input_offset", "input_bytes")),
        *((name, ctypes.c_uint32) for name in ("output_offset", "output_bytes", "frame_values", "window_frames")),
        *((name, ctypes.c_uint32) for name in ("hop_frames", "init", "push", "prepare", "invoke")),
        ("contract", ctypes.c_uint8 * 32),
    ]


class Tensor(ctypes.Structure):
    """`tinyops_model_tensor` of model_part.h."""

    _fields_: ClassVar = [(name, ctypes.c_uint32) for name in ("bytes", "arena_offset", "held_offset")]


class Part(ctypes.Structure):
    """`tinyops_model_part` of model_part.h; tensors lie behind it."""

    _fields_: ClassVar = [
        ("magic", ctypes.c_uint32),
        ("position", ctypes.c_uint16),
        ("parts", ctypes.c_uint16),
        ("set", ctypes.c_uint8 * 16),
        *((name, ctypes.c_uint32) for name in ("takes_bytes", "gives_bytes", "held_bytes")),
        *((name, ctypes.c_uint16) for name in ("takes", "gives")),
    ]


@dataclass(frozen=True)
class Golden:
    """Vectors of input and expected output, as `golden.bin` holds them."""

    input_bytes: int
    output_bytes: int
    vectors: tuple[tuple[bytes, bytes], ...]


def parse_golden(data: bytes) -> Golden:
    """Raises ModelError when the bytes are no golden vectors, or hold none."""
    if len(data) < GOLDEN_HEADER.size:
        raise ModelError("golden vectors: truncated")
    magic, count, input_bytes, output_bytes = GOLDEN_HEADER.unpack_from(data)
    if magic != b"TOG1":
        raise ModelError("golden vectors: not such a file")
    size = input_bytes + output_bytes
    if not count or not input_bytes or not output_bytes or len(data) != GOLDEN_HEADER.size + count * size:
        raise ModelError(f"golden vectors: {len(data):,} bytes do not hold {count:,} vectors of {size:,} bytes")
    starts = range(GOLDEN_HEADER.size, len(data), size)
    vectors = tuple((data[i : i + input_bytes], data[i + input_bytes : i + size]) for i in starts)
    return Golden(input_bytes, output_bytes, vectors)


class LoadedModel:
    """A shared object with an arena of its own, fenced in by guard bytes on both sides."""

    def __init__(self, path: Path, contract: bytes) -> None:
        try:
            self._library = ctypes.CDLL(str(path), mode=os.RTLD_NOW | os.RTLD_LOCAL)
            self.header = Header.in_dll(self._library, "tinyops_model")
        except (OSError, ValueError) as error:
            raise ModelError(f"cannot be loaded: {error}") from None
        _check_header(self.header, contract)
        self._memory = ctypes.create_string_buffer(self.header.arena_bytes + 2 * GUARD_BYTES + ARENA_ALIGN)
        ctypes.memset(self._memory, GUARD, len(self._memory))
        start = ctypes.addressof(self._memory) + GUARD_BYTES
        self.arena = start + -start % ARENA_ALIGN
        ctypes.memset(self.arena, 0, self.header.arena_bytes)
        self.takes, self.gives, self._held = self._tensors()

    def call(self, name: str, *arguments: Any) -> int:
        """Calls one entry point; a negative status is a ModelError."""
        try:
            function = getattr(self._library, f"tinyops_model_{name}")
        except AttributeError:
            raise ModelError(f"has no tinyops_model_{name}") from None
        function.restype = ctypes.c_int32
        status = int(function(ctypes.c_void_p(self.arena), *arguments))
        if status < 0:
            raise ModelError(f"{name} failed: {STATUSES.get(status, f'status {status}')}")
        return status

    def _tensors(self) -> tuple[tuple[Tensor, ...], tuple[Tensor, ...], bytearray]:
        """Of a part of a chain, where the tensors of its messages lie, and memory for those that it only passes on; of
        a whole model its one input and output.
        """
        header = self.header
        try:
            part = Part.in_dll(self._library, "tinyops_model_part_words")
        except ValueError:
            whole = [(header.input_bytes, header.input_offset), (header.output_bytes, header.output_offset)]
            (given, made) = (Tensor(count, at, NOWHERE) for count, at in whole)
            return (given,), (made,), bytearray()
        if part.magic != PART_MAGIC or part.held_bytes > ARENA_LIMIT_BYTES:
            raise ModelError("is no part of a model that this agent knows")
        every = (Tensor * (part.takes + part.gives)).from_address(ctypes.addressof(part) + ctypes.sizeof(Part))
        for one in every:
            for at, room in ((one.arena_offset, header.arena_bytes), (one.held_offset, part.held_bytes)):
                if at != NOWHERE and at + one.bytes > room:
                    raise ModelError("has a tensor outside its memory")
        return tuple(every[: part.takes]), tuple(every[part.takes :]), bytearray(part.held_bytes)

    def write_input(self, data: bytes) -> None:
        """A message: its tensors in order, without gaps."""
        at = 0
        for tensor in self.takes:
            piece = data[at : at + tensor.bytes]
            at += tensor.bytes
            if tensor.arena_offset != NOWHERE:
                ctypes.memmove(self.arena + tensor.arena_offset, piece, len(piece))
            if tensor.held_offset != NOWHERE:
                self._held[tensor.held_offset : tensor.held_offset + len(piece)] = piece

    def read_output(self) -> bytes:
        found = b""
        for tensor in self.gives:
            if tensor.held_offset != NOWHERE:
                found += bytes(self._held[tensor.held_offset : tensor.held_offset + tensor.bytes])
            else:
                found += ctypes.string_at(self.arena + tensor.arena_offset, tensor.bytes)
        return found

    @property
    def message_bytes(self) -> tuple[int, int]:
        """That come, and that go."""
        return sum(one.bytes for one in self.takes), sum(one.bytes for one in self.gives)

    def check_guards(self) -> None:
        before = ctypes.string_at(self.arena - GUARD_BYTES, GUARD_BYTES)
        after = ctypes.string_at(self.arena + self.header.arena_bytes, GUARD_BYTES)
        if before.count(GUARD) != GUARD_BYTES or after.count(GUARD) != GUARD_BYTES:
            raise ModelError("writes outside its arena")


def prove(job: dict[str, Any]) -> dict[str, Any]:
    """Feeds every golden vector and compares every byte of output."""
    golden = parse_golden(_read(Path(job["golden"])))
    model = LoadedModel(Path(job["library"]), bytes.fromhex(job["contract"]))
    if (golden.input_bytes, golden.output_bytes) != (found_bytes := model.message_bytes):
        raise ModelError(
            f"its tensors have {found_bytes[0]} and {found_bytes[1]} bytes, "
            f"the golden vectors {golden.input_bytes} and {golden.output_bytes}"
        )
    model.call("init")
    for number, (given, expected) in enumerate(golden.vectors, 1):
        model.write_input(given)
        model.call("invoke")
        found = model.read_output()
        if found != expected:
            at = next(i for i in range(len(found)) if found[i] != expected[i])
            raise ModelError(
                f"golden vector {number} of {len(golden.vectors)}: output byte {at} is {found[at]}, not {expected[at]}"
            )
    model.check_guards()
    return {"vectors": len(golden.vectors)}


def replay(job: dict[str, Any]) -> dict[str, Any]:
    """Pushes a recording's frames, counts which class each window was taken for, posts each where the job says so."""
    model = LoadedModel(Path(job["library"]), bytes.fromhex(job["contract"]))
    if model.header.frame_values != job["frame_values"]:
        raise ModelError(f"takes frames of {model.header.frame_values} values, not {job['frame_values']}")
    classes = job["classes"]
    histogram: dict[str, int] = dict.fromkeys(classes or (), 0)
    tenths = [0] * TENTHS
    frames = inferences = 0
    poster = _poster(job)
    model.call("init")
    for frame in _frames(job):
        frames += 1
        if model.call("push", (ctypes.c_int16 * len(frame)).from_buffer(frame)) == DUE:
            model.call("prepare")
            model.call("invoke")
            scores = _scores(model.read_output(), job["type"], classes)
            best = scores.index(max(scores))
            name = str(best) if classes is None else classes[best]
            histogram[name] = histogram.get(name, 0) + 1
            if (tenth := _tenth(scores, job["type"])) is not None:
                tenths[tenth] += 1
            if poster is not None:
                poster.offer(inferences, best, scores, None if classes is None else name)
            inferences += 1
    model.check_guards()
    counted = {"classes": histogram, "confidence": tenths if any(tenths) else []}
    return {"frames": frames, "inferences": inferences, **counted, **_delivered(poster)}


def _tenth(scores: list[Any], kind: str) -> int | None:
    """In which tenth the best output lies; None where outputs are no shares of one, such as logits."""
    scale, zero = SHARES.get(kind, (0.0, 0))
    if not abs(sum(score - zero for score in scores) * scale - 1) < SHARES_OFF:
        return None
    return min(int((max(scores) - zero) * scale * TENTHS), TENTHS - 1)


def _poster(job: dict[str, Any]) -> Poster | None:
    if job.get("post") is None:
        return None
    from tinyops.device.posting import Post, Poster  # takes longer to import than all else here

    return Poster(Post(**job["post"]))


def _delivered(poster: Poster | None) -> dict[str, Any]:
    """What became of the results, waited for no longer than this process may live."""
    if poster is None:
        return {}
    left, _ = signal.getitimer(signal.ITIMER_REAL)
    done = poster.finish(min(POSTING_S, left - MARGIN_S))
    return {"posted": done.posted, "unposted": done.lost, "trouble": done.trouble}


def _frames(job: dict[str, Any]) -> Iterator[array[int]]:
    frames = read_frames(
        Path(job["recording"]), job["channels"], job["full_scale"], job["frame_values"], job["line_values"]
    )
    return itertools.islice(frames, job["frames_max"])


def _scores(output: bytes, kind: str, classes: list[str] | None) -> list[Any]:
    """The outputs as numbers, one a class."""
    if kind not in TYPE_CODES:
        raise ModelError(f"has outputs of type {kind}, of which no class can be told")
    values = array(TYPE_CODES[kind])
    if len(output) % values.itemsize or (classes is not None and len(output) != len(classes) * values.itemsize):
        raise ModelError(f"has {len(output)} bytes of {kind} outputs, the contract names other classes")
    values.frombytes(output)
    return values.tolist()


def _check_header(header: Header, contract: bytes) -> None:
    if (header.magic, header.abi) != (MAGIC, ABI):
        raise ModelError(f"is not a model of ABI {ABI} (magic {header.magic:#x}, ABI {header.abi})")
    if header.header_bytes != ctypes.sizeof(Header):
        raise ModelError(f"has a header of {header.header_bytes} bytes, not {ctypes.sizeof(Header)}")
    if bytes(header.contract) != contract:
        raise ModelError(f"was made for contract {bytes(header.contract).hex()[:12]}, not {contract.hex()[:12]}")
    if not 0 < header.arena_bytes <= ARENA_LIMIT_BYTES:
        raise ModelError(f"wants an arena of {header.arena_bytes:,} bytes")
    for name in ("input", "output"):
        offset, length = getattr(header, f"{name}_offset"), getattr(header, f"{name}_bytes")
        if not length or offset + length > header.arena_bytes:
            raise ModelError(f"has its {name} outside its arena")


def _read(path: Path) -> bytes:
    with path.open("rb") as stream:
        data = stream.read(GOLDEN_LIMIT_BYTES + 1)
    if len(data) > GOLDEN_LIMIT_BYTES:
        raise ModelError("golden vectors: too large")
    return data


def _confine(seconds: float) -> int:
    """Ends at its time limit (by SIGALRM) and with its parent, dumps no core, takes the model's own output away.

    Returns where to answer.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    answer = os.dup(1)
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    return answer


def main() -> int:
    """0 with `{"ok": …}`; otherwise `{"model": reason}` or `{"sensor": reason}`."""
    job = json.loads(sys.stdin.read())
    answer = _confine(job["seconds"])
    tasks = {"prove": prove, "replay": replay}
    try:
        result: dict[str, Any] = {"ok": tasks[job["task"]](job)}
    except ModelError as error:
        result = {"model": str(error)}
    except MemoryError:
        result = {"model": "wants more memory than a model may have"}
    except SensorError as error:
        result = {"sensor": str(error)}
    os.write(answer, json.dumps(result).encode())
    os._exit(0)  # without the model's destructors: what it proved, it proved before


if __name__ == "__main__":
    sys.exit(main())
