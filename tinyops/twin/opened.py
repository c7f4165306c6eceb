"""Notices that programs open a file: Linux's inotify, for a terminal that is to do what DTR does."""

from __future__ import annotations

import ctypes
import os

from tinyops.errors import ToolError

IN_OPEN = 0x20  # linux/inotify.h, as it is on every CPU
EVENT_BYTES = 16  # without a name, as of a file that is watched itself
EVENTS = 64


class Openings:
    """Of one file from now on. `fileno` is ready to be read when there were any."""

    def __init__(self, path: str) -> None:
        """Raises ToolError where the system cannot tell."""
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            self._watch = int(libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
            watched = self._watch >= 0 and libc.inotify_add_watch(self._watch, os.fsencode(path), IN_OPEN) >= 0
        except AttributeError:
            raise ToolError(f"{path}: this system does not tell when a file is opened") from None
        if not watched:
            raise ToolError(f"{path}: cannot be watched: {os.strerror(ctypes.get_errno())}")

    def fileno(self) -> int:
        return self._watch

    def any(self) -> bool:
        """Whether there were any since the last call."""
        try:
            return bool(os.read(self._watch, EVENTS * EVENT_BYTES))
        except BlockingIOError:
            return False

    def close(self) -> None:
        os.close(self._watch)
