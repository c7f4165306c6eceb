"""Signatures of many reports at once, by as many processes as there are cores: one takes longer than all else that is
done with a report, and the interpreter checks one at a time."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Sequence
from itertools import pairwise

from tinyops.errors import RemoteError
from tinyops.manifest.report import check_signature, look_at_report

LEAST_EACH = 500  # reports that are worth a process
PROCESSES_MAX = 8
_RIGHT = b"\1"


def right_signatures(files: Sequence[bytes]) -> list[bool]:
    """Whether each file is a report that the key which it names has signed. Why one is not says `check_signature`."""
    count = min(len(os.sched_getaffinity(0)), len(files) // LEAST_EACH, PROCESSES_MAX)
    if count < 2 or threading.active_count() > 1:  # a fork copies one thread only, and the locks of all
        return [_is_right(data) for data in files]
    bounds = [len(files) * number // count for number in range(count + 1)]
    parts = [files[begin:end] for begin, end in pairwise(bounds)]
    children = [_Child(part) for part in parts[1:]]
    try:
        found = [_is_right(data) for data in parts[0]]
        for child in children:
            found += child.answer()
    finally:
        for child in children:
            child.end()
    return found


class _Child:
    """A process that looks at a part of the files and answers with a byte for each."""

    def __init__(self, files: Sequence[bytes]) -> None:
        self._files = files
        self._reads, writes = os.pipe()
        self._process = os.fork()
        if self._process == 0:
            _answer(files, writes)
        os.close(writes)

    def answer(self) -> list[bool]:
        """One that died has its part done here."""
        with os.fdopen(os.dup(self._reads), "rb") as stream:
            found = stream.read(len(self._files) + 1)
        if len(found) != len(self._files):
            return [_is_right(data) for data in self._files]
        return [byte == _RIGHT[0] for byte in found]

    def end(self) -> None:
        os.close(self._reads)
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process, signal.SIGKILL)
        os.waitpid(self._process, 0)


def _answer(files: Sequence[bytes], writes: int) -> None:
    """In the child, which ends here whatever happens: nothing of its parent's is run on the way out."""
    code = 1
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends it
        with os.fdopen(writes, "wb") as stream:
            stream.write(b"".join(_RIGHT if _is_right(data) else b"\0" for data in files))
        code = 0
    finally:
        os._exit(code)


def _is_right(data: bytes) -> bool:
    try:
        check_signature(data, look_at_report(data, where=""), where="")
    except RemoteError:
        return False
    return True
