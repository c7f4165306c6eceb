"""Opening a device: how it speaks is found out by looking, and by asking where nothing is to be seen."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, replace

from tinyops.collect.capture.dialects.framed import Framed
from tinyops.collect.capture.dialects.kind import Dialect
from tinyops.collect.capture.dialects.lines import Lines
from tinyops.collect.capture.dialects.recognise import Recogniser
from tinyops.collect.capture.dialects.samples import Pixels, Samples
from tinyops.collect.capture.pump import Chunk, Pump
from tinyops.collect.capture.source import Source
from tinyops.collect.capture.talk import Talk
from tinyops.collect.capture.wanted import LineForm
from tinyops.collect.capture.ways.kind import Opening, Stream, StreamEnded, Traits, Way
from tinyops.errors import SpecError, ToolError, UsageError
from tinyops.specs.model import Signal

LOOK_S = 0.5  # how long nothing is said to a device that may print lines
ASK_S = 0.5
PATIENCE_S = 4.0  # at each speed: boards that are reset by opening their line take two seconds or three
GARBLED_S, GARBLED_BYTES = 1.5, 64  # enough to see that a speed is wrong, where there is another
POLL_S = 0.05
STARTING_S = 15.0  # of this machine's own devices


@dataclass(frozen=True)
class Form:
    """How what comes is read: `framed`, `lines` or `auto`, and the shape of lines."""

    format: str
    line: LineForm


@dataclass
class _Looking:
    """What has been seen of a device so far."""

    stream: Stream
    pump: Pump
    traits: Traits
    wanted: str
    seen: list[Chunk] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.recogniser = self._new()

    @property
    def found(self) -> str:
        """The dialect, once it is clear and the one that is wanted."""
        found = self.recogniser.found
        return found if self.wanted in ("auto", found) else ""

    def begin_again(self) -> None:
        self.recogniser = self._new()
        self.seen.clear()

    def more(self) -> bool:
        """Looks at what comes next; False: nothing will."""
        try:
            chunks = self.pump.take(POLL_S)
        except StreamEnded:
            self.recogniser.look(b"", ended=True)
            return False
        for chunk in chunks:
            self.seen.append(chunk)
            self.recogniser.look(chunk.data)
        return True

    def _new(self) -> Recogniser:
        return Recogniser(begun=self.traits.begun, datagrams=self.traits.datagrams)


def open_source(way: Way, address: str, opening: Opening, form: Form) -> Source:
    """Opens a device, finds out how it speaks, and asks it who it is. Raises UsageError, SpecError, ToolError."""
    stream = way.open(address, opening)
    traits = replace(way.traits, live=way.traits.live and not stream.finite)
    pump = Pump(stream, gather=not traits.datagrams)
    try:
        return _source(stream, pump, traits, opening.signal, form)
    except BaseException:
        pump.close()
        raise


def _source(stream: Stream, pump: Pump, traits: Traits, signal: Signal, form: Form) -> Source:
    if traits.format:
        _wait(stream, pump)
        return Source(stream, pump, traits, _own(traits.format, signal))
    looking = _Looking(stream, pump, traits, form.format)
    _look_at_each_speed(looking)
    if looking.found == "framed":
        source = Source(stream, pump, traits, Framed(signal.frame_values))
        source.keep(looking.seen)
        source.introduce(signal)
        return source
    source = Source(stream, pump, traits, _lines(signal, form.line, traits, looking.recogniser.width, stream.name))
    source.keep(looking.seen)
    return source


def _look_at_each_speed(looking: _Looking) -> None:
    """Until `looking.found`. Raises ToolError saying what came instead."""
    while not _looked(looking):
        if not looking.stream.retune():
            raise ToolError(
                f"{looking.stream.name}: {looking.recogniser.description}",
                hint="is it on, does it run a collector's firmware (`tinyops collect firmware`) or print lines of "
                "numbers, and is --baud right?",
            )
        looking.begin_again()


def _looked(looking: _Looking) -> bool:
    """Looks at one speed, and after a while asks."""
    begun = asked = opened = time.monotonic()
    asks = looking.traits.talks and looking.wanted != "lines"
    while (now := time.monotonic()) - begun < PATIENCE_S:
        if looking.traits.waits and looking.traits.datagrams and not looking.recogniser.bytes:
            begun = now  # it may not be there yet
        if asks and now - opened >= LOOK_S and now - asked >= ASK_S:
            Talk.knock(looking.stream)
            asked = now
        if not looking.more() or looking.found:
            break
        if now - begun >= GARBLED_S and looking.recogniser.bytes >= GARBLED_BYTES and looking.stream.speeds_left():
            break
    return bool(looking.found)


def _wait(stream: Stream, pump: Pump) -> None:
    """Until the first bytes are here: a camera takes its time. Raises what its program says instead."""
    deadline = time.monotonic() + STARTING_S
    while not pump.take(POLL_S):
        if time.monotonic() >= deadline:
            raise ToolError(f"{stream.name}: gave nothing within {STARTING_S:g} s", hint="does another program use it?")


def _own(name: str, signal: Signal) -> Dialect:
    return Samples(signal.frame_values) if name == "samples" else Pixels(signal.frame_values, signal.full_scale)


def _lines(signal: Signal, form: LineForm, traits: Traits, width: int, name: str) -> Lines:
    if signal.size is not None:
        raise SpecError(f"{name}: prints lines of numbers, which are no images of {signal.size[1]} x {signal.size[0]}")
    channels = len(signal.channels)
    chosen = form.columns != tuple(range(channels))
    if width <= max(form.columns) or (width != channels and not chosen):
        raise UsageError(
            f"{name}: prints {width} numbers a line, the dataset's signal has {channels} channels: "
            f"{', '.join(signal.channels)}",
            hint=f"name the columns, such as --columns {','.join(str(n + 1) for n in range(channels))}",
        )
    return Lines(width, form.columns, form.scale, begun=traits.begun, ended=traits.datagrams)
