"""The second stream of a virtual board that is a part of a chain: to the part before it."""

from __future__ import annotations

import contextlib
import select
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass

from tinyops.twin.machine import RECEIVE_BYTES, Boot

LOOK_MS = 50


@dataclass(frozen=True)
class Upstream:
    """Both ends of it; a board without one has none. The board's end stays open here, so that it outlives a program
    that is started again."""

    ours: socket.socket | None = None
    theirs: socket.socket | None = None

    @property
    def numbers(self) -> tuple[int, ...]:
        """Of the files that the board's program inherits."""
        return (self.theirs.fileno(),) if self.theirs is not None else ()


@contextlib.contextmanager
def unheard(end: socket.socket | None) -> Iterator[None]:
    """Takes what a part that runs alone says to the one before it: else it would wait for ever to say it."""
    if end is None:
        yield
        return
    ended = threading.Event()
    listener = threading.Thread(target=_take_all, args=(end, ended), name="unheard", daemon=True)
    listener.start()
    try:
        yield
    finally:
        ended.set()
        listener.join()


def _take_all(end: socket.socket, ended: threading.Event) -> None:
    poll = select.poll()
    poll.register(end, select.POLLIN)
    while not ended.is_set():
        if poll.poll(LOOK_MS) and not end.recv(RECEIVE_BYTES):
            return


@contextlib.contextmanager
def upstream_of(what: Boot) -> Iterator[Upstream]:
    if not what.upstream:
        yield Upstream()
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Upstream(ours, theirs)
