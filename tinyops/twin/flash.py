"""What a virtual board's flash holds: a file of its bytes, kept between boots in a folder."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

from tinyops.boards.layout import Flash
from tinyops.errors import ToolError
from tinyops.files import digest_json, read_bounded, write_atomic

FLASH, FLASHED = "flash.bin", "flashed"
ERASED = b"\xff"
DIGEST_LIMIT_BYTES = 200


@contextlib.contextmanager
def flash_file(flash: Flash, state: Path | None, written: Mapping[int, bytes]) -> Iterator[Path]:
    """A file of all of a flash. `written` is what a cable writes, by address: the firmware, the model image.

    A `state` folder keeps the file. What is in it stays there; `written` comes over it only when it is not what was
    written into this folder last. Raises ToolError for a folder of another board.
    """
    if state is None:
        with tempfile.TemporaryDirectory(prefix="tinyops-twin-") as name:
            (Path(name) / FLASH).write_bytes(_overlay(flash, ERASED * flash.bytes, written))
            yield Path(name) / FLASH
        return
    state.mkdir(parents=True, exist_ok=True)
    path, mark = state / FLASH, state / FLASHED
    digest = digest_json({str(at): data.hex() for at, data in written.items()})
    held = read_bounded(path, flash.bytes + 1) if path.is_file() else ERASED * flash.bytes
    if len(held) != flash.bytes:
        raise ToolError(f"{path}: is no flash of {flash.bytes:,} bytes", hint="give every board a folder of its own")
    if not mark.is_file() or read_bounded(mark, DIGEST_LIMIT_BYTES).decode(errors="replace") != digest:
        write_atomic(path, _overlay(flash, held, written))
        write_atomic(mark, digest.encode())
    yield path


def _overlay(flash: Flash, held: bytes, written: Mapping[int, bytes]) -> bytes:
    found = bytearray(held)
    for address, data in written.items():
        at = address - flash.origin
        if at < 0 or at + len(data) > flash.bytes:
            raise ToolError(f"{len(data):,} bytes at {address:#x} lie outside of the flash of {flash.bytes:,} bytes")
        first, last = at - at % flash.erase_bytes, -(-(at + len(data)) // flash.erase_bytes) * flash.erase_bytes
        found[first:last] = ERASED * (last - first)
    for address, data in written.items():  # two may lie in one sector
        at = address - flash.origin
        found[at : at + len(data)] = data
    return bytes(found)


def programs_allowed(flash: Flash) -> int:
    """How often a unit may be programmed between two erases."""
    return 1 if flash.reprogram == "never" else flash.reprogram
