"""The running take on the disk, so that a loss of power costs its last second and no more.

A line of JSON says what the take is; then records follow, each with its CRC-32: a block's frames, how many are missing
before it, and the two clocks. What a crash tore off at the end is left out when it is read. The file is locked by who
writes it, so that one without a lock is what nobody finished.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from tinyops.collect.capture.block import Block
from tinyops.datasets.take import TakeFacts
from tinyops.documents import Strict
from tinyops.errors import SpecError
from tinyops.files import MIB, canonical_json, read_bounded, sync_folder, writing

FOLDER, SUFFIX = ".unfinished", ".journal"
SYNC_S = 1.0
HEADER_LIMIT_BYTES = MIB
TAKE_LIMIT_BYTES = 64 * MIB  # 35 minutes of sound: what becomes of it fits in the memory of a small machine
BLOCK_LIMIT_BYTES = 64 * MIB
RECORD = struct.Struct("<IIqd")  # bytes of values, lost frames, the device's clock in ms or NO_CLOCK, arrival in s
CRC = struct.Struct("<I")
NO_CLOCK = -(2**63)
LOST_MAX = 2**32 - 1


class Heading(Strict):
    """The first line. `facts` lack what only the end shows: gaps and the measured clock."""

    journal: Literal[1] = 1
    facts: TakeFacts
    label: str = ""
    subject: str = ""
    name: str = ""
    values: Annotated[int, Field(ge=1)]
    clocked: bool = Field(default=False, description="Frames that were lost are known by their number.")
    limits: tuple[float, ...] = ()

    @property
    def dtype(self) -> str:
        return "<f4" if self.facts.full_scale is None else "<i2"


@dataclass(frozen=True)
class Unfinished:
    """A journal as it was read: the frames of all blocks, and for each block where it ends and when it came."""

    heading: Heading
    values: NDArray[Any]
    ends: NDArray[np.int64]
    lost: NDArray[np.int64]
    arrived_s: NDArray[np.float64]
    clock_ms: NDArray[np.int64]
    torn: bool


class Journal:
    """Written while a take runs. Every method may raise ToolError: the disk is full, or gone."""

    def __init__(self, folder: Path, heading: Heading) -> None:
        self.path = folder / f"{heading.name or 'take'}-{os.getpid()}-{time.monotonic_ns():x}{SUFFIX}"
        self.bytes = 0
        self._dtype = heading.dtype
        self._synced_s = time.monotonic()
        with writing(self.path):
            folder.mkdir(parents=True, exist_ok=True)
            ignore = folder / ".gitignore"
            if not ignore.exists():
                ignore.write_text("*\n")
            begun = self.path.with_suffix(".new")  # nobody takes it for an orphan before it is locked
            self._descriptor = os.open(begun, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o644)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            self._write(canonical_json(heading.model_dump(mode="json", by_alias=True)) + b"\n")
            os.fsync(self._descriptor)
            begun.rename(self.path)
            sync_folder(folder)

    def add(self, block: Block) -> None:
        data = np.ascontiguousarray(block.values, self._dtype).tobytes()
        clock = NO_CLOCK if block.clock_ms is None else block.clock_ms
        body = RECORD.pack(len(data), min(block.lost, LOST_MAX), clock, block.arrived_s) + data
        with writing(self.path):
            self._write(body + CRC.pack(zlib.crc32(body)))
            if time.monotonic() - self._synced_s >= SYNC_S:
                os.fdatasync(self._descriptor)
                self._synced_s = time.monotonic()

    def close(self) -> None:
        with contextlib.suppress(OSError):
            os.close(self._descriptor)

    def remove(self) -> None:
        """When its take lies elsewhere, or is not wanted."""
        self.close()
        self.path.unlink(missing_ok=True)

    def _write(self, data: bytes) -> None:
        self.bytes += len(data)
        while data:
            data = data[os.write(self._descriptor, data) :]


@contextlib.contextmanager
def orphans(folder: Path) -> Iterator[Iterator[Path]]:
    """The journals that nobody writes any more, each locked while it is looked at."""
    with contextlib.ExitStack() as stack:
        yield _free(folder, stack)


def _free(folder: Path, stack: contextlib.ExitStack) -> Iterator[Path]:
    for path in sorted(folder.glob(f"*{SUFFIX}")):
        if not path.is_file():  # nobody wrote that here
            continue
        try:
            stream = stack.enter_context(path.open("rb"))
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:  # written right now, or just removed
            continue
        if path.exists():
            yield path


def read_journal(path: Path) -> Unfinished:
    """Everything up to the first record that is torn. Raises SpecError for a file that is none."""
    data = read_bounded(path, 2 * TAKE_LIMIT_BYTES)
    head, newline, _ = data[:HEADER_LIMIT_BYTES].partition(b"\n")
    try:
        if not newline:
            raise ValueError("its first line does not end")
        heading = Heading.model_validate_json(head)
    except (ValidationError, ValueError) as error:
        raise SpecError(f"{path}: not the journal of a take", hint=f"delete it: {str(error)[:100]}") from error
    return _records(heading, data, len(head) + 1)


def _records(heading: Heading, data: bytes, at: int) -> Unfinished:
    frame_bytes = heading.values * np.dtype(heading.dtype).itemsize
    pieces: list[memoryview] = []
    rows: list[tuple[int, int, float, int]] = []
    view, frames = memoryview(data), 0
    while at + RECORD.size + CRC.size <= len(data):
        length, lost, clock, arrived_s = RECORD.unpack_from(data, at)
        end = at + RECORD.size + length
        if length > BLOCK_LIMIT_BYTES or length % frame_bytes or end + CRC.size > len(data):
            break
        if CRC.unpack_from(data, end)[0] != zlib.crc32(view[at:end]):
            break
        pieces.append(view[at + RECORD.size : end])
        frames += length // frame_bytes
        rows.append((frames, lost, arrived_s, clock))
        at = end + CRC.size
    values = np.frombuffer(b"".join(pieces), heading.dtype).reshape(-1, heading.values)
    columns = list(zip(*rows, strict=True)) if rows else [(), (), (), ()]
    return Unfinished(
        heading,
        values,
        np.array(columns[0], np.int64),
        np.array(columns[1], np.int64),
        np.array(columns[2], np.float64),
        np.array(columns[3], np.int64),
        at < len(data),
    )
