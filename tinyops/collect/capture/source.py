"""A device that is recorded from: its bytes, its dialect, and what can be asked of it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from tinyops.collect.capture.block import Block
from tinyops.collect.capture.dialects.framed import Framed
from tinyops.collect.capture.dialects.kind import Dialect
from tinyops.collect.capture.dialects.lines import Lines
from tinyops.collect.capture.dialects.recognise import Recogniser
from tinyops.collect.capture.dialects.samples import Pixels, Samples
from tinyops.collect.capture.pump import Chunk, Pump
from tinyops.collect.capture.talk import Talk, check_hello
from tinyops.collect.capture.wanted import LineForm
from tinyops.collect.capture.ways.kind import Opening, Stream, StreamEnded, Traits, Way
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.link.client import LinkClosed, LinkTimeout
from tinyops.specs.model import Signal

LOOK_S = 0.5  # how long nothing is said to a device that may print lines
ASK_S = 0.5
PATIENCE_S = 6.0  # at each speed: boards that are reset by opening their line take two seconds or three
END_S = 0.3  # how long frames that were under way may take
FORMATS = ("auto", "framed", "lines")
TAKES = 256


@dataclass(frozen=True)
class Facts:
    """What a device said of itself."""

    board: str = ""
    firmware: str = ""
    rate_hz: float | None = None


class Source:
    """Opened by `open_source`. Every method may raise LinkClosed: the device is gone."""

    def __init__(self, stream: Stream, pump: Pump, traits: Traits, dialect: Dialect, facts: Facts = Facts()) -> None:
        self.name = stream.name
        self.traits = traits
        self.dialect = dialect
        self.facts = facts
        self._stream = stream
        self._pump = pump
        self._take = 0
        self._backlog: list[Chunk] = []
        self._talk = Talk(stream, pump, dialect) if traits.talks and isinstance(dialect, Framed) else None

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
        self._take = (self._take + 1) % TAKES
        self.dialect.begin(self._take if self._talk is not None else None)
        if self._talk is not None:
            rate_hz = self._talk.start(self._take)
            self.facts = Facts(self.facts.board, self.facts.firmware, rate_hz)

    def poll(self, timeout_s: float) -> list[Block]:
        """The frames that have come, waiting for the first bytes at most `timeout_s`."""
        if self._talk is not None and self._talk.blocks:
            found, self._talk.blocks = self._talk.blocks, []
            return found
        chunks, self._backlog = self._backlog or self._pump.take(timeout_s), []
        return [block for chunk in chunks for block in self.dialect.feed(chunk.data, chunk.arrived_s)]

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


@dataclass(frozen=True)
class Form:
    """How what comes is read: the dialect, or `auto`, and the shape of lines."""

    format: str
    line: LineForm


def open_source(way: Way, address: str, opening: Opening, form: Form) -> Source:
    """Opens a device, finds out how it speaks, and asks it who it is. Raises UsageError, SpecError, ToolError."""
    stream = way.open(address, opening)
    traits = way.traits
    pump = Pump(stream, gather=not traits.datagrams)
    try:
        return _source(stream, pump, traits, opening.signal, form)
    except BaseException:
        pump.close()
        raise


def _source(stream: Stream, pump: Pump, traits: Traits, signal: Signal, form: Form) -> Source:
    if traits.format:
        return Source(stream, pump, traits, _own(traits.format, signal))
    seen: list[Chunk] = []
    looked = Recogniser(begun=traits.begun, datagrams=traits.datagrams)
    name = form.format
    if name == "auto" or (name == "framed" and traits.talks) or (name == "lines" and traits.live):
        name = _recognise(stream, pump, traits, looked, seen, name)
    if name == "framed":
        source = Source(stream, pump, traits, Framed(signal.frame_values))
        return _introduced(source, signal) if traits.talks else _with(source, seen)
    return _with(Source(stream, pump, traits, _lines(signal, form.line, traits, looked.width, stream.name)), seen)


def _with(source: Source, seen: list[Chunk]) -> Source:
    source.keep(seen)
    return source


def _own(name: str, signal: Signal) -> Dialect:
    return Samples(signal.frame_values) if name == "samples" else Pixels(signal.frame_values, signal.full_scale)


def _lines(signal: Signal, form: LineForm, traits: Traits, width: int, name: str) -> Lines:
    if signal.size is not None:
        raise SpecError(f"{name}: prints lines of numbers, which are no images of {signal.size[1]} x {signal.size[0]}")
    channels = len(signal.channels)
    needed = max(form.columns) + 1
    width = width or needed
    chosen = form.columns != tuple(range(channels))
    if width < needed or (width != channels and not chosen):
        raise UsageError(
            f"{name}: prints {width} numbers a line, the dataset's signal has {channels} channels: "
            f"{', '.join(signal.channels)}",
            hint=f"name the columns, such as --columns {','.join(str(n + 1) for n in range(channels))}",
        )
    return Lines(width, form.columns, form.scale, begun=traits.begun, ended=traits.datagrams)


def _recognise(stream: Stream, pump: Pump, traits: Traits, looked: Recogniser, seen: list[Chunk], wanted: str) -> str:
    """Looks, and after a while asks, at each speed. Raises ToolError saying what came instead."""
    asks = traits.talks and wanted != "lines"
    while True:
        if _look(stream, pump, looked, seen, wanted, asks=asks):
            return looked.found
        if not stream.retune():
            break
        looked.bytes = 0
    if wanted == "lines" and not traits.live:
        return wanted
    raise ToolError(
        f"{stream.name}: {looked.description}",
        hint="is it on, does it run a collector's firmware (`tinyops collect firmware`) or print lines of numbers, "
        "and is --baud right?",
    )


def _look(stream: Stream, pump: Pump, looked: Recogniser, seen: list[Chunk], wanted: str, *, asks: bool) -> bool:
    begun = asked = time.monotonic()
    while (now := time.monotonic()) - begun < PATIENCE_S:
        if asks and now - begun >= LOOK_S and now - asked >= ASK_S:
            Talk.knock(stream)
            asked = now
        try:
            chunks = pump.take(0.05)
        except StreamEnded:
            looked.look(b"", ended=True)
            if looked.found:
                return True
            raise
        for chunk in chunks:
            seen.append(chunk)
            looked.look(chunk.data)
        if looked.found and wanted in ("auto", looked.found):
            return True
    return False


def _introduced(source: Source, signal: Signal) -> Source:
    """Asks the board who it is, and judges the answer."""
    assert source._talk is not None
    try:
        hello = source._talk.hello()
    except LinkTimeout as error:
        raise LinkClosed(f"{source.name}: sends frames, but does not answer", hint="reset it") from error
    check_hello(hello, signal, source.name)
    source.facts = Facts(hello.board, "sha256:" + hello.contract.hex())
    return source
