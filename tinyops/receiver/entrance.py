"""A socket that lets in no more than there is room for: those too who never finish a handshake, whom none else counts.

Beyond that whoever knocks is turned away at once. asyncio, left alone, tries to let them in hundreds of times a second,
and writes a page about each.
"""

from __future__ import annotations

import errno
import socket
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from tinyops.receiver.rates import client_name

EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)
REST_S = 1.0  # asyncio's own, after which it listens again


class Entrance(socket.socket):
    """At most `guests_max` at a time, of one address half of them."""

    guests_max: int
    _guests: Counter[str]
    _rests_until_s = 0.0

    def accept(self) -> tuple[socket.socket, Any]:
        """Raises BlockingIOError where nobody waits, ConnectionAbortedError for one who was turned away, and OSError,
        once a while, where the machine has no more."""
        try:
            plain, address = super().accept()
        except OSError as error:
            if error.errno in EXHAUSTED and time.monotonic() < self._rests_until_s:
                raise BlockingIOError from error
            self._rests_until_s = time.monotonic() + REST_S
            raise
        name = client_name(address[0])
        if self._guests.total() >= self.guests_max or self._guests[name] >= max(self.guests_max // 2, 1):
            plain.close()
            raise ConnectionAbortedError
        self._guests[name] += 1
        return Guest(plain, lambda: self._leave(name)), address

    def admit(self, guests_max: int) -> None:
        """Says how many; before it listens."""
        self.guests_max, self._guests = guests_max, Counter()

    def _leave(self, name: str) -> None:
        self._guests[name] -= 1
        self._guests += Counter()  # forgets who is gone


class Guest(socket.socket):
    """A connection that says when it is over."""

    def __init__(self, plain: socket.socket, on_close: Callable[[], None]) -> None:
        super().__init__(plain.family, plain.type, plain.proto, fileno=plain.detach())
        self._on_close: Callable[[], None] | None = on_close

    def close(self) -> None:
        super().close()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None
