"""A virtual board's serial line on a pseudo-terminal, shared with whoever asks from inside."""

from __future__ import annotations

import contextlib
import os
import queue
import select
import threading
import time
import tty
from collections.abc import Callable, Iterator

from tinyops.errors import ToolError
from tinyops.link import ByteStream, Link, LinkClosed, LinkTimeout
from tinyops.twin.opened import Openings

LOOK_S = 0.05
PIECE_BYTES = 4096
ASIDE_S = 0.02  # how long the line must rest before the terminal has it again
UNANSWERED_S = 0.5  # after so long a silence nobody waits for an answer any more
ENDS = (b"\n", b"\0")  # of an answer: SMP's, the link's


class Terminal:
    """Between a board and a pseudo-terminal that any program opens like a serial port; `path` is its name.

    `asking` takes the line as soon as the board has answered what the terminal's user sent: what it then says is the
    caller's, what the user sends waits. Bytes that nobody reads from the terminal are dropped when its buffer is full,
    as on a real line. `opened` is called whenever a program opens the terminal, before a byte of its passes: as DTR
    resets an Arduino.
    """

    def __init__(
        self, name: str, stream: Callable[[], ByteStream], *, opened: Callable[[], None] | None = None
    ) -> None:
        """`stream` gives the board's line; another one after a board has started again."""
        self.name, self._stream, self._opened = name, stream, opened
        self._ours, self._theirs = os.openpty()
        tty.setraw(self._theirs)  # kept open, so that the line outlives those who open it
        os.set_blocking(self._ours, False)
        self.path = os.ttyname(self._theirs)
        self._openings = Openings(self.path) if opened is not None else None
        self._wanted, self._taken, self._ended = threading.Event(), threading.Event(), threading.Event()
        self._passed, self._answered = time.monotonic(), True  # when a byte did last; whether an answer was the last
        self._heard: queue.Queue[bytes] = queue.Queue()
        self._threads = [threading.Thread(target=t, daemon=True) for t in (self._from_board, self._to_board)]
        for thread in self._threads:
            thread.start()

    @contextlib.contextmanager
    def asking(self, timeout_s: float) -> Iterator[Link]:
        """A link of the caller's own, while the terminal waits."""
        self._wanted.set()  # nothing more goes to the board
        self._wait_for_answer()
        self._taken.set()
        try:
            self._forget()
            yield Link(_Turn(self), name=self.name, timeout_s=timeout_s)
        finally:
            self._forget()
            self._taken.clear()
            self._wanted.clear()

    def _wait_for_answer(self) -> None:
        while True:
            rested_s = time.monotonic() - self._passed
            if rested_s >= UNANSWERED_S or (self._answered and rested_s >= ASIDE_S):
                return
            time.sleep(ASIDE_S / 4)

    def close(self) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join(timeout=1)
        for end in (self._ours, self._theirs):
            os.close(end)
        if self._openings is not None:
            self._openings.close()

    def read(self, timeout_s: float) -> bytes:
        """What the board says to the one who asks. Raises LinkClosed."""
        deadline = time.monotonic() + timeout_s
        while True:
            left = deadline - time.monotonic()
            try:
                return self._heard.get(timeout=max(min(left, LOOK_S), 0.001))
            except queue.Empty:
                if not self._threads[0].is_alive():
                    raise LinkClosed(f"{self.name}: the virtual board is gone") from None
                if left <= 0:
                    return b""

    def write(self, data: bytes, timeout_s: float) -> None:
        self._stream().write(data, timeout_s)

    def _forget(self) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                self._heard.get(timeout=ASIDE_S)

    def _from_board(self) -> None:
        while not self._ended.is_set():
            stream = self._stream()
            try:
                data = stream.read(LOOK_S)
            except LinkClosed:
                time.sleep(LOOK_S)
                if self._stream() is stream:
                    return  # it did not start again
                continue
            if data and self._taken.is_set():
                self._heard.put(data)
            elif data:
                self._passed, self._answered = time.monotonic(), data.endswith(ENDS)
                with contextlib.suppress(BlockingIOError):
                    os.write(self._ours, data)

    def _to_board(self) -> None:
        while not self._ended.is_set():
            watched: list[int] = [self._ours, *([self._openings.fileno()] if self._openings is not None else [])]
            ready, _, _ = select.select(watched, [], [], LOOK_S)
            self._tell_of_openings()
            if self._ours not in ready:
                continue
            if self._wanted.is_set():
                time.sleep(ASIDE_S / 4)
                continue
            self._pass_on()

    def _pass_on(self) -> None:
        with contextlib.suppress(LinkClosed, LinkTimeout, BlockingIOError):
            data = os.read(self._ours, PIECE_BYTES)
            self._passed, self._answered = time.monotonic(), False
            self._stream().write(data, LOOK_S)

    def _tell_of_openings(self) -> None:
        if self._openings is not None and self._opened is not None and self._openings.any():
            with contextlib.suppress(ToolError):  # the board is gone, which whoever asks it is told
                self._opened()


class _Turn:
    """The line while it is taken, as a ByteStream."""

    def __init__(self, terminal: Terminal) -> None:
        self.read, self.write = terminal.read, terminal.write
