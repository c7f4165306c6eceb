"""Terminals that tell of those who open them: every time, also right after the last one has closed it."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from tinyops.errors import ToolError
from tinyops.link import ByteStream
from tinyops.twin.opened import Openings
from tinyops.twin.terminal import Terminal


class Board:
    """Notes what happens to it, in order: a program's bytes, and resets."""

    def __init__(self) -> None:
        self.seen: list[bytes] = []
        self.changed = threading.Condition()

    def note(self, what: bytes) -> None:
        with self.changed:
            self.seen.append(what)
            self.changed.notify_all()

    def wait_for(self, count: int) -> list[bytes]:
        with self.changed:
            assert self.changed.wait_for(lambda: len(self.seen) >= count, 20), self.seen
            return list(self.seen)

    def read(self, timeout_s: float) -> bytes:
        threading.Event().wait(timeout_s)
        return b""

    def write(self, data: bytes, timeout_s: float) -> None:
        self.note(data)


def test_openings_are_told_before_a_byte_of_the_one_who_opened_passes() -> None:
    board = Board()
    stream: ByteStream = board
    terminal = Terminal("it", lambda: stream, opened=lambda: board.note(b"reset"))
    try:
        wanted: list[bytes] = []
        for byte in (b"a", b"b", b"c"):
            port = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
            os.write(port, byte)
            wanted += [b"reset", byte]
            assert board.wait_for(len(wanted)) == wanted
            os.close(port)
    finally:
        terminal.close()


def test_without_anybody_to_tell_nothing_is_watched() -> None:
    board = Board()
    terminal = Terminal("it", lambda: board)
    try:
        port = os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)
        os.write(port, b"a")
        assert board.wait_for(1) == [b"a"]
        os.close(port)
    finally:
        terminal.close()


def test_a_file_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="cannot be watched: No such file"):
        Openings(str(tmp_path / "nothing"))
