"""Writing at a place, and locking a folder."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from tinyops.errors import ToolError

MODE = 0o640


def write_all(file: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        count = os.pwrite(file, view, place)
        view, place = view[count:], place + count


def write_at(path: Path, data: bytes, place: int) -> None:
    """Into a file that is made where it is missing; nothing is made durable."""
    file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        write_all(file, data, place)
    finally:
        os.close(file)


def read_at(path: Path, size: int, place: int) -> bytes:
    file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.pread(file, size, place)
    finally:
        os.close(file)


def lock_folder(folder: Path) -> int:
    """A descriptor that holds it until it is closed. Raises ToolError where another process does."""
    file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, MODE)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(file)
        raise ToolError(f"{folder}: another receiver uses it", hint="each has a folder of its own") from error
    return file
