"""Kills a piece of work at each of its steps on the disk, as a power cut or `kill -9` would.

The work runs in a forked child. Python announces every file operation (open, rename, link, unlink,
mkdir, symlink, chmod) before it is done; the child ends itself at the n-th one below a folder. What
is on the disk after that is what the next start finds.
"""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

CUT = 77
EVENTS = {
    "open", "os.rename", "os.link", "os.remove", "os.mkdir", "os.rmdir", "os.symlink", "os.chmod", "shutil.rmtree",
}  # fmt: skip


def cut_at(work: Callable[[], object], folder: Path, step: int) -> bool:
    """Runs the work in a child that dies before its `step`-th operation below `folder` (from 1).

    Returns whether it came to that; False when the work ended before. Raises AssertionError when it failed.
    """
    pid = os.fork()
    if pid == 0:
        _die_at(folder, step)
        status = 1
        try:
            work()
            status = 0
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    assert status in (0, CUT), f"the work failed at step {step} (status {status})"
    return status == CUT


def _die_at(folder: Path, step: int) -> None:
    seen = 0
    below = str(folder)

    def count(event: str, arguments: tuple[object, ...]) -> None:
        nonlocal seen
        if event not in EVENTS:
            return
        # Temporary names are relative to nothing here: every path of the code under test is absolute.
        if any(str(a).startswith(below) for a in arguments[:2] if isinstance(a, (str, os.PathLike))):
            seen += 1
            if seen == step:
                os._exit(CUT)

    sys.addaudithook(count)
