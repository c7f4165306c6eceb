"""The index on disk: whoever changes it holds its lock, reads it as it is then, and replaces it by rename.

So of two programs that change it at once, such as `tinyops collect` and `tinyops label`, none undoes what the other
did. The lock is the kernel's, on the folder: nothing is left behind, also by a program that was killed.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tinyops.datasets.index import INDEX_LIMIT_BYTES, IndexEntry, format_index, parse_index
from tinyops.errors import Leased
from tinyops.files import read_bounded, write_if_changed, writing

PATIENCE_S = 20.0
_POLL_S = 0.02


@contextlib.contextmanager
def lock_index(path: Path, wait_s: float = PATIENCE_S) -> Iterator[None]:
    """While the block runs, no other program changes the index, nor one beside it. Raises Leased and ToolError."""
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        limit = time.monotonic() + wait_s
        while not _try_lock(descriptor):
            if time.monotonic() >= limit:
                raise Leased(
                    f"{path}: another program is changing it", hint="run the same command again when it is done"
                )
            time.sleep(_POLL_S)
        yield
    finally:
        os.close(descriptor)


def read_index(path: Path) -> tuple[IndexEntry, ...]:
    """The lines of an index. Raises SpecError."""
    return parse_index(read_bounded(path, INDEX_LIMIT_BYTES), str(path))


def change_index(
    path: Path, change: Callable[[tuple[IndexEntry, ...]], tuple[IndexEntry, ...]]
) -> tuple[IndexEntry, ...]:
    """Replaces the lines by what `change` makes of them, under the lock; no file counts as one without lines.

    What `change` raises leaves the file as it is. Raises SpecError for an index that cannot be read, ToolError for one
    that cannot be written.
    """
    with lock_index(path):
        entries = change(read_index(path) if path.exists() else ())
        write_if_changed(path, format_index(entries))
    return entries


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
