"""Sending an image: as many requests in flight as the device has buffers, from the offset that it names, however
often the link breaks.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tinyops.device.update.connection import Connection
from tinyops.device.update.settings import UpdateFailed
from tinyops.link.client import LinkError, LinkTimeout
from tinyops.link.smp import BoardManager, Garbled, Refused
from tinyops.link.smp.manager import PIECE_TIMEOUT_S

PIECE_MIN = 16  # bytes of an image in one message; with less a device is not worth talking to
STALLS_MAX = 64  # times in a row that the device goes back, or the link breaks, without a byte more
SILENCES_MAX = 3  # the same of requests without an answer
RTT_SHARE = 0.2  # of the newest answer's time in their mean
RTT_TIMES = 4.0
# Numbers of group 1 for a piece that does not follow: a device that was reset meanwhile.
LOST = frozenset({9, 20})


@dataclass(frozen=True)
class _Piece:
    request: Any
    end: int
    first: bool


@dataclass
class Tally:
    """What an upload cost: messages and their bytes before framing, those sent again among them."""

    messages: int = 0
    again: int = 0
    message_bytes: int = 0
    resumed_at: int = 0


class Upload:
    """One image to one device. `run` returns when the device has all of it and has found it good."""

    def __init__(self, to: Connection, image: int, data: bytes, moved: Callable[[int], None]) -> None:
        self.to, self.tally = to, Tally()
        self._image, self._data, self._moved = image, data, moved
        self._sha = hashlib.sha256(data).digest()
        self._taken = self._next = 0  # what the device has, and what is sent next
        self._known = False  # whether it said on this link where to go on
        self._flying: dict[int, _Piece] = {}
        self._best = self._stalls = self._silences = 0
        self._rtt_s: float | None = None
        self._window = self._room = 0

    @property
    def _done(self) -> bool:
        return self._known and self._taken == len(self._data)

    def run(self) -> None:
        """Raises Refused with the device's number, LinkError when it stays away, UpdateFailed, Stopped."""
        while not self._done:
            self._window, self._room = self.to.window, self.to.message_bytes
            try:
                self.to.call(self._go_on)
            except Refused as refused:
                if refused.code not in LOST or self._next == 0 or not self._known:
                    raise
                self._stall()
                self._begin_again()
            except (LinkTimeout, Garbled):
                self._silences += 1
                if self._silences >= SILENCES_MAX:
                    raise
                self.to.silent()

    def _go_on(self, board: BoardManager) -> None:
        """Sends while answers come. After a LinkError the device says anew where to go on."""
        try:
            while not self._done:
                self.to.check()
                self._fill(board)
                self._wait(board)
        except LinkError as error:
            if not isinstance(error, Refused):
                self._stall()
                self._begin_again()
            raise

    def _begin_again(self) -> None:
        self._known, self._taken, self._next = False, 0, 0
        self._flying.clear()

    def _stall(self) -> None:
        self._stalls += 1
        if self._stalls > STALLS_MAX:
            raise UpdateFailed(
                f"{self.to.address}: takes no more than {self._best:,} of {len(self._data):,} bytes",
                hint="run the same command again: it goes on from there",
            )

    def _fill(self, board: BoardManager) -> None:
        window = self._window if self._known else 1
        while len(self._flying) < window and (self._next < len(self._data) or not self._known):
            piece = self._piece(self._next)
            self._flying[self._send(board, piece)] = piece
            self._next = piece.end

    def _send(self, board: BoardManager, piece: _Piece, number: int | None = None) -> int:
        self.tally.messages += 1
        self.tally.message_bytes += len(piece.request.BYTES)
        self.tally.again += number is not None
        return board.post(piece.request, number)

    def _wait(self, board: BoardManager) -> None:
        """Takes answers to what is in flight, which goes out again when none comes. Raises LinkTimeout."""
        begun = sent = time.monotonic()
        wait_s, limit_s = self._patience_s(), self.to.traits.answer_s
        while not self._take_some(board, min(wait_s, PIECE_TIMEOUT_S)):
            self.to.check()
            now = time.monotonic()
            if now - begun >= limit_s:
                raise LinkTimeout(f"{self.to.address}: no answer to a piece of the image within {limit_s:g} s")
            if now - sent >= wait_s:
                for number, piece in self._flying.items():
                    self._send(board, piece, number)
                sent, wait_s = now, min(wait_s * 2, limit_s)
        if sent == begun:  # else nobody knows which of them was answered
            took_s = time.monotonic() - begun
            self._rtt_s = took_s if self._rtt_s is None else self._rtt_s + RTT_SHARE * (took_s - self._rtt_s)

    def _patience_s(self) -> float:
        traits = self.to.traits
        if traits.resend_s is None:
            return traits.answer_s
        if traits.resend_min_s is None or self._rtt_s is None:
            return traits.resend_s
        return min(max(RTT_TIMES * self._rtt_s, traits.resend_min_s), traits.resend_s)

    def _take_some(self, board: BoardManager, timeout_s: float) -> bool:
        """Whether anything came that says more."""
        taken = False
        for number, message in board.collect(self._flying, timeout_s):
            piece = self._flying.pop(number, None)  # None: an answer that came twice
            if piece is not None:
                self._take(board.read_answer(piece.request, message), piece)
                taken = True
        return taken

    def _take(self, answer: Any, piece: _Piece) -> None:
        if answer.off is None or not 0 <= answer.off <= len(self._data):
            raise UpdateFailed(f"{self.to.address}: says that it has {answer.off} of {len(self._data):,} bytes")
        if answer.match is False:
            raise UpdateFailed(f"{self.to.address}: what arrived is not what was sent", hint="run it again")
        if piece.first and not self._known and answer.off > piece.end:
            self.tally.resumed_at = answer.off
        self._known = self._known or piece.first
        if answer.off == piece.end:
            self._taken = max(self._taken, answer.off)
        else:  # back to what was lost, or on to what it has already
            self._taken = self._next = answer.off
            self._flying.clear()
            if answer.off <= self._best:
                self._stall()
            self._known = self._known and answer.off > 0
        self._flying = {number: p for number, p in self._flying.items() if p.end > self._taken}
        if self._taken > self._best:
            self._best, self._stalls, self._silences = self._taken, 0, 0
            self._moved(self._taken)

    def _piece(self, offset: int) -> _Piece:
        """The largest piece that a message holds."""
        from smpclient.requests.image_management import ImageUploadWrite

        first = offset == 0
        more: dict[str, Any] = {"len": len(self._data), "image": self._image, "sha": self._sha} if first else {}
        room = self._room - len(ImageUploadWrite(off=offset, data=b"", **more).BYTES)
        room -= 2 if room > 0xFF else 1  # a string of more than 23 bytes has a longer head
        if room < PIECE_MIN:
            raise UpdateFailed(
                f"{self.to.address}: takes messages of {self._room} bytes: too few for a piece of an image"
            )
        data = self._data[offset : offset + room]
        return _Piece(ImageUploadWrite(off=offset, data=data, **more), offset + len(data), first)
