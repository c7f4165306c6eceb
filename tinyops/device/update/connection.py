"""A device as an update sees it: asked again after a loss, reached again after a break, within time limits."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from types import TracebackType
from typing import TypeVar

from tinyops.device.transports.kind import Channel, Traits, Transport
from tinyops.device.update.settings import Patience, Stop, UpdateFailed, Watch
from tinyops.link.client import LinkClosed, LinkError, LinkTimeout
from tinyops.link.smp import BoardManager, Garbled, Parameters, Refused

Answer = TypeVar("Answer")
BACK_OFF_S = 0.2
BACK_OFF_MAX_S = 5.0
FIRST_S = 3.0  # how long to wait for a device that was not there at all: it may be starting, or the address wrong
GARBLED_MAX = 3  # answers in a row that make no sense
STARTING_S = 1.0  # how long to wait for an answer of a device that is just starting
# Of a server that does not say: MCUmgr's least on a console, with length and CRC.
UNKNOWN = Parameters(buffer_bytes=128, buffers=1)
LENGTH_AND_CRC = 4


class Connection:
    """One device behind a transport. Every call may raise a LinkError once its patience has ended, and Stopped."""

    def __init__(
        self, address: str, transport: Transport, *, settle_s: float, patience: Patience, watch: Watch, stop: Stop
    ) -> None:
        self.address, self.patience, self.stop = address, patience, stop
        self.traits: Traits = transport.traits(address)
        self.breaks = 0
        self._trouble = ""  # what was wrong last
        self._reached = False
        self._transport, self._settle_s, self._watch = transport, settle_s, watch
        self._channel: Channel | None = None
        self._manager: BoardManager | None = None
        self._parameters: Parameters | None = None
        self._deadline = time.monotonic() + patience.in_all_s

    def __enter__(self) -> Connection:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.drop()

    def drop(self) -> None:
        """Closes the link; the next call opens it anew."""
        if self._channel is not None:
            self._channel.close()
        self._channel = self._manager = None

    def check(self) -> None:
        """Raises Stopped, or UpdateFailed when this device has taken too long in all."""
        self.stop.check(self.address)
        if time.monotonic() >= self._deadline:
            trouble = f" ({self._trouble})" if self._trouble else ""
            raise UpdateFailed(
                f"{self.address}: not done within {self.patience.in_all_s:g} s{trouble}; it runs what it ran",
                hint="run the same command again: it goes on from there",
            )

    def manager(self) -> BoardManager:
        """The device on an open link. Raises LinkClosed when it cannot be reached now."""
        if self._manager is None:
            self._channel = self._transport.open(self.address, settle_s=self._settle_s)
            self._manager = BoardManager.over(self._channel, name=self.address)
        return self._manager

    def call(self, ask: Callable[[BoardManager], Answer], *, starting: bool = False) -> Answer:
        """Asks until there is an answer. What is asked must bear being asked twice. Raises Refused at once."""
        begun = time.monotonic()
        limit_s = self.patience.away_s if starting else self.traits.answer_s
        most_s = STARTING_S if starting else limit_s
        wait_s = min(self.traits.resend_s or most_s, most_s)
        garbled = 0
        while True:
            self.check()
            try:
                manager = self.manager()
                manager.timeout_s = wait_s
                answer = ask(manager)
                self._reached, self._trouble = True, ""
                return answer
            except Refused:
                raise
            except LinkClosed as error:
                self._away(error)
            except LinkError as error:
                self._trouble = self._plain(error)
                # Datagrams that come late, or twice, are answers to other requests: no sign of a wrong device.
                garbled += isinstance(error, Garbled) and self.traits.resend_min_s is None
                if time.monotonic() - begun >= limit_s or (garbled >= GARBLED_MAX and not starting):
                    raise
                self.silent()
                wait_s = min(wait_s * 2, most_s)

    def silent(self) -> None:
        """After an answer that did not come: what cannot lose one has lost the link."""
        if self.traits.resend_s is None:
            self.drop()

    def _away(self, error: LinkClosed) -> None:
        """Waits until the device can be reached again. Raises `error` when it stays away."""
        self.drop()
        begun, pause_s = time.monotonic(), BACK_OFF_S
        limit_s = self.patience.away_s if self._reached else min(self.patience.away_s, FIRST_S)
        self.breaks += 1
        told = False
        while True:
            try:
                self.manager()
            except LinkClosed as again:
                if time.monotonic() - begun >= limit_s:
                    raise again from error
                self._trouble = self._plain(again)
                if not told:
                    self._watch.said(self.address, f"away ({self._trouble}); waiting")
                    told = True
            else:
                return
            self.stop.wait(pause_s)
            self.check()
            pause_s = min(pause_s * 2, BACK_OFF_MAX_S)

    def _plain(self, error: LinkError) -> str:
        return error.message.removeprefix(f"{self.address}: ")

    def parameters(self) -> Parameters:
        """The device's buffers; what every server has where it does not say."""
        if self._parameters is None:
            try:
                self._parameters = self.call(lambda board: board.parameters())
            except Refused:
                self._parameters = UNKNOWN
        return self._parameters

    @property
    def message_bytes(self) -> int:
        """The largest message that device and link take. Servers of a console keep length and CRC in their buffer, and
        ours have one buffer for all ways."""
        room = self.parameters().buffer_bytes - LENGTH_AND_CRC
        return min(room, self.traits.message_max or room)

    @property
    def window(self) -> int:
        return max(1, min(self.traits.window, self.parameters().buffers))

    def reset(self) -> None:
        """Starts the device again. An answer may be lost on the way: that it comes back is for the caller to see."""
        with contextlib.suppress(LinkClosed, LinkTimeout, Garbled):
            self.manager().reset()
        self.drop()
        self._parameters = None  # what starts may have other buffers
