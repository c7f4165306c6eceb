"""A device that is recorded from: its bytes, its dialect, and what can be asked of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyops.collect.capture.block import Block
from tinyops.collect.capture.dialects.framed import Framed
from tinyops.collect.capture.dialects.kind import Dialect
from tinyops.collect.capture.pump import Chunk, Pump
from tinyops.collect.capture.talk import Talk, check_hello
from tinyops.collect.capture.ways.kind import Stream, Traits
from tinyops.link.client import LinkClosed, LinkTimeout
from tinyops.specs.model import Signal

END_S = 0.3  # how long frames that were under way may take


@dataclass(frozen=True)
class Facts:
    """What a device said of itself."""

    board: str = ""
    firmware: str = ""
    rate_hz: float | None = None


class Source:
    """Opened by `open_source` (opening.py). Every method may raise LinkClosed: the device is gone."""

    def __init__(self, stream: Stream, pump: Pump, traits: Traits, dialect: Dialect, facts: Facts = Facts()) -> None:
        self.name = stream.name
        self.traits = traits
        self.dialect = dialect
        self.facts = facts
        self._stream = stream
        self._pump = pump
        self._backlog: list[Chunk] = []
        self._returned: list[Block] = []
        self._talk = Talk(stream, pump, dialect) if traits.talks and isinstance(dialect, Framed) else None

    def introduce(self, signal: Signal) -> None:
        """Asks the board who it is, where it can be asked, and judges the answer. Raises ToolError."""
        if self._talk is None:
            return
        try:
            hello = self._talk.hello()
        except LinkTimeout as error:
            raise LinkClosed(f"{self.name}: sends frames, but does not answer", hint="reset it") from error
        check_hello(hello, signal, self.name)
        self.facts = Facts(hello.board, "sha256:" + hello.contract.hex())

    def keep(self, chunks: Sequence[Chunk]) -> None:
        """What came while its dialect was found out: of a file it is the beginning, of a sensor the past."""
        if self.traits.live:
            for chunk in chunks:
                self.dialect.feed(chunk.data, chunk.arrived_s)
        else:
            self._backlog = list(chunks)

    def begin(self) -> None:
        """A take begins now. What came before, of a device that measures all the time, is no part of it."""
        if self.traits.live:
            self.skip(0.0)
        if self._talk is None:
            self.dialect.begin(None)
        else:
            self.facts = replace(self.facts, rate_hz=self._talk.start())

    def poll(self, timeout_s: float) -> list[Block]:
        """The frames that have come, waiting for the first bytes at most `timeout_s`."""
        if self._talk is not None and self._talk.blocks:
            found, self._talk.blocks = self._talk.blocks, []
            return found
        if self._returned:
            found, self._returned = self._returned, []
            return found
        chunks, self._backlog = self._backlog or self._pump.take(timeout_s), []
        blocks = [block for chunk in chunks for block in self.dialect.feed(chunk.data, chunk.arrived_s)]
        if self._talk is not None and not blocks:
            self._talk.look()
        return blocks

    def give_back(self, blocks: list[Block]) -> None:
        """What was beyond the end of a take: of a file the next one begins with it."""
        if not self.traits.live:
            self._returned += blocks

    def end(self) -> tuple[list[Block], int]:
        """The take ends: the frames that were under way, and how many are missing behind the last."""
        if self._talk is None:
            return [], 0
        made = self._talk.stop()
        deadline = time.monotonic() + END_S
        blocks, self._talk.blocks = self._talk.blocks, []
        assert isinstance(self.dialect, Framed)
        while self.dialect.missing(made) and time.monotonic() < deadline:
            blocks += self.poll(END_S / 4)
        return blocks, self.dialect.missing(made)

    def skip(self, timeout_s: float) -> None:
        """Between takes: takes what comes, so that nothing old waits."""
        if not self.traits.live:
            return
        for chunk in self._pump.take(timeout_s):
            self.dialect.feed(chunk.data, chunk.arrived_s)

    def close(self) -> None:
        self._pump.close()
