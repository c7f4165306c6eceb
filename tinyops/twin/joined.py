"""A link between two virtual boards: a thread that carries bytes between their sockets, as the wires let it.

It looks at no tensor: what it knows of a frame is where it ends and, for the probe, whether it is an answer.
"""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias

from tinyops.link.parts import PartType
from tinyops.link.protocol import REPLY
from tinyops.twin.wire import Counts, Cutter, Terms, Wire, frame_type

RECEIVE_BYTES = 4096
WAITING_MAX = 1 << 16  # bytes for a board that takes none; more are dropped, as a line does
LOOK_S = 0.05
END_S = 5.0
End: TypeAlias = Callable[[], "socket.socket | None"]  # the board's socket now; None while there is no board


@dataclass
class _Way:
    """From one end to the other."""

    source: End
    sink: End
    wire: Wire
    waiting: bytearray = field(default_factory=bytearray)
    _gone: socket.socket | None = None

    def living(self) -> socket.socket | None:
        """The end that bytes may come from: not that of a board that is gone, which is ready for ever."""
        source = self.source()
        return None if source is self._gone else source

    def take(self) -> bytes:
        source = self.source()
        if source is None:
            return b""
        try:
            data = source.recv(RECEIVE_BYTES, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return b""
        except OSError:
            data = b""
        if not data:
            self._gone = source
        return data

    def deliver(self, now: float) -> None:
        """What has arrived, as far as the board takes it."""
        self.waiting += self.wire.receive(now)
        sink = self.sink()
        try:
            while self.waiting and sink is not None:
                del self.waiting[: sink.send(self.waiting, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL)]
            del self.waiting[WAITING_MAX if sink is not None else 0 :]
        except BlockingIOError:
            del self.waiting[WAITING_MAX:]
        except OSError:  # the board is gone
            self.waiting.clear()


class Joint:
    """Joins the line of a board, `left`, with the upstream of the next one, `right`, until it is closed.

    `down` and `up` are the wires. A board that is gone is waited for: its end is asked for again and again, and what
    is sent to it meanwhile is dropped. With `with_probe` a host may ask the left board, too, through `probe`: its
    requests and their answers go past the wire, uncounted, and the right board hears nothing of them. What the left
    board tells of itself, `probe` hears, too.
    """

    def __init__(self, left: End, right: End, terms: Terms, *, seed: int = 0, with_probe: bool = False) -> None:
        self.down, self.up = Wire(terms, 2 * seed), Wire(terms, 2 * seed + 1)
        self._ways = (_Way(left, right, self.down), _Way(right, left, self.up))
        self._turn = threading.Lock()
        self._ended = False
        self._asked, self._answered = Cutter(), Cutter()
        self.probe: socket.socket | None = None
        self._probed: socket.socket | None = None
        if with_probe:
            self.probe, self._probed = socket.socketpair()
        self._wake, self._woken = os.pipe()
        self._thread = threading.Thread(target=self._run, name="joint", daemon=True)
        self._thread.start()

    def counts(self) -> tuple[Counts, Counts]:
        """Of the way down and the way up."""
        with self._turn:
            down, up = (replace(w.counts, of_type=w.counts.of_type.copy()) for w in (self.down, self.up))
            return down, up

    def cut(self) -> None:
        """Both ways, until `mend`."""
        self._set("cut", True)

    def stall(self) -> None:
        """Nothing arrives, and nothing is lost, until `mend`."""
        self._set("stalled", True)

    def mend(self) -> None:
        self._set("cut", False)
        self._set("stalled", False)

    def set_terms(self, terms: Terms) -> None:
        """From now on."""
        with self._turn:
            self.down.terms = self.up.terms = terms
        self._look()

    def close(self) -> None:
        self._ended = True
        self._look()
        self._thread.join(END_S)
        for number in (self._wake, self._woken):
            os.close(number)
        for end in (self.probe, self._probed):
            if end is not None:
                end.close()

    def _set(self, name: str, value: bool) -> None:
        with self._turn:
            for wire in (self.down, self.up):
                setattr(wire, name, value)
        self._look()

    def _look(self) -> None:
        os.write(self._woken, b"\0")

    def _run(self) -> None:
        while not self._ended:
            with self._turn:
                now = time.monotonic()
                for way in self._ways:
                    way.deliver(now)
                watched, timeout_s = self._watched(now)
            ready = _wait(watched, timeout_s)
            with self._turn:
                self._take(ready)

    def _watched(self, now: float) -> tuple[dict[int, int], float]:
        """What to wait for by the number of the file, and how long at most."""
        watched = {self._wake: select.POLLIN}
        timeout_s = LOOK_S
        for way in self._ways:
            source, sink = way.living(), way.sink()
            if source is not None and way.wire.takes(now):
                watched[source.fileno()] = watched.get(source.fileno(), 0) | select.POLLIN
            elif source is not None:
                timeout_s = min(timeout_s, way.wire.takes_at() - now)
            if sink is not None and way.waiting:
                watched[sink.fileno()] = watched.get(sink.fileno(), 0) | select.POLLOUT
            next_at = way.wire.next_at()
            timeout_s = min(timeout_s, timeout_s if next_at is None else next_at - now)
        if self._probed is not None:
            watched[self._probed.fileno()] = select.POLLIN
        return {number: events for number, events in watched.items() if number >= 0}, max(timeout_s, 0.0)

    def _take(self, ready: set[int]) -> None:
        now = time.monotonic()
        if self._wake in ready:
            os.read(self._wake, RECEIVE_BYTES)
        down, up = self._ways
        for way in self._ways:
            source = way.living()
            if source is not None and source.fileno() in ready and way.wire.takes(now):
                data = way.take()
                way.wire.send(self._without_answers(data) if way is down else data, now)
        if self._probed is not None and self._probed.fileno() in ready:
            for unit in self._asked.feed(self._probed.recv(RECEIVE_BYTES)):
                up.waiting += unit

    def _without_answers(self, data: bytes) -> bytes:
        """What of the left board's is for the next one; answers to the probe go there instead, and what the board tells
        of itself goes to both."""
        if self._probed is None:
            return data
        kept = bytearray()
        for unit in self._answered.feed(data):
            kind = frame_type(unit) or 0
            if kind & REPLY or kind == PartType.STATE:
                with contextlib.suppress(OSError):  # nobody listens any more
                    self._probed.send(unit, socket.MSG_DONTWAIT)
            kept += b"" if kind & REPLY else unit
        return bytes(kept)


def _wait(watched: dict[int, int], timeout_s: float) -> set[int]:
    poll = select.poll()
    for number, events in watched.items():
        poll.register(number, events)
    ended = select.POLLHUP | select.POLLERR | select.POLLNVAL
    return {number for number, event in poll.poll(timeout_s * 1000) if event & (select.POLLIN | ended)}
