"""Changing an index: read, changed and replaced by rename under a lock, so that two who write at once lose nothing."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeAlias

from tinyops.datasets.index import INDEX_LIMIT_BYTES, IndexEntry, format_index, parse_index
from tinyops.documents import shown_path
from tinyops.errors import SpecError, ToolError
from tinyops.files import read_bounded, write_if_changed, writing

LOCK_S = 30.0
AGAIN_S = 0.02
Change: TypeAlias = Callable[[tuple[IndexEntry, ...]], Iterable[IndexEntry]]


def edit_index(index: Path, change: Change) -> tuple[IndexEntry, ...]:
    """Gives an index the lines that `change` makes of its lines, and returns them; a missing index has none.

    What cannot be read back is not written. Raises SpecError for an index that is wrong, before or after, ToolError
    when another process keeps it locked or the disk refuses.
    """
    with locked(index):
        data = read_bounded(index, INDEX_LIMIT_BYTES) if index.exists() else b""
        text = format_index(change(parse_index(data, shown_path(index)) if data.strip() else ()))
        entries = parse_index(text, str(index))
        if len(text) > INDEX_LIMIT_BYTES:
            raise SpecError(f"{index}: would have {len(text):,} bytes", hint="give the dataset a second index")
        write_if_changed(index, comments_above(data) + text)
    return entries


def read_index(index: Path) -> tuple[IndexEntry, ...]:
    """The lines of an index on disk; of one that does not exist yet, none. Raises SpecError."""
    data = read_bounded(index, INDEX_LIMIT_BYTES) if index.exists() else b""
    return parse_index(data, shown_path(index)) if data.strip() else ()


@contextlib.contextmanager
def locked(index: Path, timeout_s: float = LOCK_S) -> Iterator[None]:
    """Nobody else who asks changes indexes of this folder meanwhile. The lock is the folder's: no file is left behind.

    Raises ToolError at the time limit.
    """
    deadline = time.monotonic() + timeout_s
    with writing(index.parent):
        index.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(index.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        while not _taken(descriptor):
            if time.monotonic() >= deadline:
                raise ToolError(
                    f"{index}: another process has kept it locked for {timeout_s:g} s",
                    hint="end the other tinyops that writes this dataset, or wait for it",
                )
            time.sleep(AGAIN_S)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def comments_above(data: bytes) -> bytes:
    """What people wrote above the columns."""
    lines = data.removeprefix(b"\xef\xbb\xbf").splitlines(keepends=True)
    above = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith(b"#")), 0)
    return b"".join(lines[:above])
