"""What a virtual board's flash holds: a file of its bytes, kept between boots in a folder."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tinyops.boards.layout import Flash
from tinyops.errors import ToolError
from tinyops.files import digest_json, read_bounded, write_atomic

FLASH, FLASHED = "flash.bin", "flashed"
ERASED = b"\xff"
DIGEST_LIMIT_BYTES = 200


@contextlib.contextmanager
def flash_file(ranges: Sequence[Flash], state: Path | None, written: Mapping[int, bytes]) -> Iterator[Path]:
    """A file of all of a flash, its ranges one after another. `written` is what a cable writes, by address: the
    firmware, the model image.

    A `state` folder keeps the file. What is in it stays there; `written` comes over it only when it is not what was
    written into this folder last. Raises ToolError for a folder of another board.
    """
    size = sum(flash.bytes for flash in ranges)
    if state is None:
        with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as name:
            (Path(name) / FLASH).write_bytes(_overlay(ranges, ERASED * size, written))
            yield Path(name) / FLASH
        return
    state.mkdir(parents=True, exist_ok=True)
    path, mark = state / FLASH, state / FLASHED
    digest = digest_json({str(at): data.hex() for at, data in written.items()})
    held = read_bounded(path, size + 1) if path.is_file() else ERASED * size
    if len(held) != size:
        raise ToolError(f"{path}: is no flash of {size:,} bytes", hint="give every board a folder of its own")
    if not mark.is_file() or read_bounded(mark, DIGEST_LIMIT_BYTES).decode(errors="replace") != digest:
        write_atomic(path, _overlay(ranges, held, written))
        write_atomic(mark, digest.encode())
    yield path


def _overlay(ranges: Sequence[Flash], held: bytes, written: Mapping[int, bytes]) -> bytes:
    found = bytearray(held)
    for address, data in written.items():
        flash, start = _range_of(ranges, address, len(data))
        at = address - flash.origin
        first, last = at - at % flash.erase_bytes, -(-(at + len(data)) // flash.erase_bytes) * flash.erase_bytes
        found[start + first : start + last] = ERASED * (last - first)
    for address, data in written.items():  # two may lie in one sector
        flash, start = _range_of(ranges, address, len(data))
        at = address - flash.origin
        found[start + at : start + at + len(data)] = data
    return bytes(found)


def _range_of(ranges: Sequence[Flash], address: int, count: int) -> tuple[Flash, int]:
    """The range that holds some bytes, and where it begins in the file. Raises ToolError."""
    start = 0
    for flash in ranges:
        if flash.origin <= address and address + count <= flash.end:
            return flash, start
        start += flash.bytes
    raise ToolError(f"{count:,} bytes at {address:#x} lie outside of the flash of {start:,} bytes")


def programs_allowed(flash: Flash) -> int:
    """How often a unit may be programmed between two erases."""
    return 1 if flash.reprogram == "never" else flash.reprogram
