"""The lease of a folder: one apply at a time on a store, with owner, age and a fencing number.

Each lease is a file named by its number, which only rises; the highest one counts. Taking it is the
atomic creation of the next number, so two that try at once cannot both succeed, and a process that
slept through a take-over finds a higher number than its own when it checks.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tinyops.errors import Leased
from tinyops.files import sync_folder, write_atomic, writing
from tinyops.release.holder import (
    HOLDER_LIMIT_BYTES,
    Holder,
    is_free,
    lost_error,
    myself,
    read_holder,
    start_of,
    taken_error,
)

ATTEMPTS = 20
_TEMPORARY = ".new."


@dataclass(frozen=True)
class FolderLease:
    """A lease that this process took. `fence` is higher than that of every lease before."""

    folder: Path
    fence: int
    holder: Holder

    def check(self) -> None:
        """Raises Leased when another process took over since."""
        fence, holder = _newest(self.folder)
        if fence != self.fence or holder is None or holder.token != self.holder.token:
            raise lost_error(holder, fence, self.fence)

    def release(self) -> None:
        """Gives the lease back; its number stays used. Does nothing when it was taken over."""
        with contextlib.suppress(Leased):
            self.check()
            write_atomic(_path(self.folder, self.fence), self.holder.given_back().to_bytes())


@contextlib.contextmanager
def holding(folder: Path, purpose: str) -> Iterator[FolderLease]:
    """Holds the lease of a store while the block runs. Raises Leased (owner, age) when it is taken."""
    lease = take(folder, purpose)
    try:
        yield lease
    finally:
        lease.release()


def take(folder: Path, purpose: str) -> FolderLease:
    """Takes the lease, also from an owner that died on this machine. Raises Leased naming owner and age."""
    me = myself(purpose)
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        for _ in range(ATTEMPTS):
            fence, holder = _newest(folder)
            if fence and not is_free(holder):
                path = _path(folder, fence)
                hint = f"wait for it; if that process is gone for good, remove {path}"
                raise taken_error(holder, fence, where=str(path), hint=hint)
            if _create(folder, fence + 1, me):
                _sweep(folder, fence + 1)
                return FolderLease(folder, fence + 1, me)
    raise Leased(f"{folder}: many processes want the lease at once", hint="run the same command again")


def _create(folder: Path, fence: int, me: Holder) -> bool:
    """Makes the file of a number, whole from the start; False when another was faster."""
    temporary = folder / f"{_TEMPORARY}{me.pid}.{me.token}"
    write_atomic(temporary, me.to_bytes())
    try:
        os.link(temporary, _path(folder, fence))
    except FileExistsError:
        return False
    finally:
        os.unlink(temporary)
    sync_folder(folder)
    if _newest(folder)[0] != fence:  # our number was used, given back and swept while we looked
        os.unlink(_path(folder, fence))
        return False
    return True


def _sweep(folder: Path, fence: int) -> None:
    for path in folder.iterdir():
        number = _number(path)
        dead = path.name.startswith(_TEMPORARY) and not start_of(path.name.split(".")[2])
        if dead or (number is not None and number < fence):
            path.unlink(missing_ok=True)


def _path(folder: Path, fence: int) -> Path:
    return folder / f"{fence:08}.json"


def _number(path: Path) -> int | None:
    return int(path.stem) if path.suffix == ".json" and path.stem.isdecimal() else None


def _newest(folder: Path) -> tuple[int, Holder | None]:
    """The highest number and who has it; 0 when there was no lease yet, None when its file is damaged."""
    fence = max((number for path in folder.glob("*.json") if (number := _number(path)) is not None), default=0)
    if fence == 0:
        return 0, None
    try:
        with _path(folder, fence).open("rb") as stream:
            return fence, read_holder(stream.read(HOLDER_LIMIT_BYTES + 1))
    except OSError:
        return fence, None
