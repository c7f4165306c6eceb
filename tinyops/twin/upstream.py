"""The second stream of a virtual board that is a part of a chain: to the part before it."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import dataclass

from tinyops.twin.machine import Boot


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
def upstream_of(what: Boot) -> Iterator[Upstream]:
    if not what.upstream:
        yield Upstream()
        return
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield Upstream(ours, theirs)
