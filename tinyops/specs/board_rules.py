"""Rules for a fleet's boards: they exist, can be reached, and their inputs suit the dataset's signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from enum import Enum

from tinyops.boards.model import Board, Driver, SensorFacts
from tinyops.documents import closest
from tinyops.documents.reading import Loc
from tinyops.specs.act_rules import act_faults
from tinyops.specs.dataset import Signal
from tinyops.specs.faults import Fault
from tinyops.specs.model import BoardBinding, LinkSensor, OnboardSensor, ReplaySensor

_STREAM = "{kind: stream, port: serial}"


class Unknown(Enum):
    """Of a signal: the fault is another's."""

    UNKNOWN = "unknown"


UNKNOWN = Unknown.UNKNOWN


def transport_of(binding: BoardBinding, board: Board) -> str:
    """How updates reach a board of a fleet: as the spec says, else the first way that the board has."""
    return binding.transport or board.spec.transports[0]


def binding_faults(
    name: str,
    binding: BoardBinding,
    signal: Signal | None,
    catalog: Mapping[str, Board],
    *,
    signal_known: bool = True,
) -> Iterator[Fault]:
    """What is wrong with one entry of a fleet's boards.

    `signal` is None for models that take tensors; with `signal_known` false the fault is another's,
    and sensors are not looked at.
    """
    loc: Loc = ("spec", "boards", name)
    board = catalog.get(name)
    if board is None:
        yield Fault(loc, f"no board {name!r} in the catalogue", closest(name, catalog), key=True)
        return
    if isinstance(binding.sensor, LinkSensor):
        hint = f"a sensor of {name}, or sensor: {_STREAM}"
        yield Fault((*loc, "sensor"), "only a part of a chain takes tensors from the part before", hint)
        signal_known = False
    yield from bound_faults(loc, binding, board, signal if signal_known else UNKNOWN, catalog)


def bound_faults(
    loc: Loc, binding: BoardBinding, board: Board, signal: Signal | None | Unknown, catalog: Mapping[str, Board]
) -> Iterator[Fault]:
    """The same of a board, or a part of a chain, that is there; `loc` is its place. Of UNKNOWN signals no sensor is
    looked at."""
    name = board.name
    if transport_of(binding, board) not in board.spec.transports:
        message = f"{name} cannot be reached by {binding.transport}"
        yield Fault((*loc, "transport"), message, f"it has: {', '.join(board.spec.transports)}")
    if binding.framework and binding.framework not in board.spec.frameworks:
        message = f"there is no {binding.framework} firmware for {name}"
        has = ", ".join(board.spec.frameworks) or "none: it runs an operating system"
        yield Fault((*loc, "framework"), message, f"frameworks of {name}: {has}")
        return
    yield from act_faults(loc, binding, board, catalog)
    if not isinstance(signal, Unknown):
        yield from _sensor_faults((*loc, "sensor"), binding, board, signal, catalog)


def _sensor_faults(
    loc: Loc, binding: BoardBinding, board: Board, signal: Signal | None, catalog: Mapping[str, Board]
) -> Iterator[Fault]:
    sensor = binding.sensor
    if isinstance(sensor, OnboardSensor):
        faults = tuple(_onboard_faults(loc, sensor.name, board, signal, catalog))
        yield from faults or _driver_faults(loc, sensor.name, binding, board, catalog)
    elif isinstance(sensor, ReplaySensor):
        if not board.spec.replay:
            yield Fault(loc, f"{board.name} cannot replay a file", _boards_with("replay", catalog))
        elif signal is None:
            yield Fault(loc, "a model that takes tensors has no frames to replay", f"sensor: {_STREAM}")
    elif not board.spec.stream:
        yield Fault(loc, f"{board.name} takes no frames from a host", _boards_with("stream", catalog))


def _onboard_faults(
    loc: Loc, name: str, board: Board, signal: Signal | None, catalog: Mapping[str, Board]
) -> Iterator[Fault]:
    known = {facts.name: facts for facts in board.spec.sensors}
    if name not in known:
        there_is = closest(name, known) or f"{board.name} has no sensors of its own: sensor: {_STREAM}"
        yield Fault(loc, f"{board.name} has no sensor {name!r}", there_is)
    elif signal is None:
        yield Fault(loc, "a model that takes tensors reads no sensor", f"sensor: {_STREAM}")
    elif faults := tuple(sensor_mismatches(known[name], signal)):
        message = f"{name} of {board.name} does not deliver the dataset's signal: {'; '.join(faults)}"
        yield Fault(loc, message, _boards_that_would_do(signal, catalog))


def _driver_faults(
    loc: Loc, name: str, binding: BoardBinding, board: Board, catalog: Mapping[str, Board]
) -> Iterator[Fault]:
    """A library's program, a page and an agent bring their own."""
    framework = binding.framework or next(iter(board.spec.frameworks), None)
    reads: Mapping[str, object] = board.spec.drivers if framework == "bare-metal" else _drivers(board)
    if framework not in ("bare-metal", "arduino") or name in reads:
        return
    yield Fault(
        loc, f"the {framework} firmware of {board.name} has no driver for {name}", _would_do(board, name, catalog)
    )


def _would_do(board: Board, name: str, catalog: Mapping[str, Board]) -> str:
    if name in board.spec.drivers:
        return f"its bare-metal firmware has one: leave framework out; or let a host feed it, sensor: {_STREAM}"
    if name in _drivers(board):
        return f"its arduino firmware has one: framework: arduino; or let a host feed it, sensor: {_STREAM}"
    having = ", ".join(f"{n} ({', '.join(sorted(_drivers(b)))})" for n, b in sorted(catalog.items()) if _drivers(b))
    replay = "; or replay a recording, sensor: {kind: replay, file: …}" if board.spec.replay else ""
    return f"with framework: arduino there are drivers on {having}; or let a host feed it, sensor: {_STREAM}{replay}"


def _drivers(board: Board) -> Mapping[str, Driver]:
    return board.spec.arduino.drivers if board.spec.arduino else {}


def sensor_mismatches(facts: SensorFacts, signal: Signal) -> Iterator[str]:
    """Why a sensor cannot deliver a signal, one sentence a reason; nothing when it can."""
    missing = [c for c in signal.channels if c not in facts.channels]
    if missing:
        yield f"it has no channel {', '.join(missing)}"
    if signal.size is not None and signal.size != facts.size:
        yield f"its images are not {signal.size[0]}x{signal.size[1]}"
    if signal.rate_hz is not None and all(abs(rate - signal.rate_hz) > 1e-6 * rate for rate in facts.rates_hz):
        has = ", ".join(f"{rate:g}" for rate in facts.rates_hz)
        yield f"it does not run at {signal.rate_hz:g} Hz (it has {has})" if has else "it gives images, not a stream"
    for channel, unit, full_scale in zip(signal.channels, signal.units, signal.full_scale, strict=True):
        if channel in missing:
            continue
        at = facts.channels.index(channel)
        if facts.units[at] != unit:
            yield f"{channel} is in {facts.units[at]}, not {unit}"
        elif facts.ranges[at] < full_scale:
            yield f"{channel} reaches {facts.ranges[at]:g} {unit}, not {full_scale:g}"


def _boards_that_would_do(signal: Signal, catalog: Mapping[str, Board]) -> str:
    fitting = [
        f"{facts.name} of {name}"
        for name, board in sorted(catalog.items())
        for facts in board.spec.sensors
        if not any(sensor_mismatches(facts, signal))
    ]
    if fitting:
        return f"these would do: {', '.join(fitting)}"
    streaming = ", ".join(sorted(name for name, board in catalog.items() if board.spec.stream))
    return f"no board's own sensor would do; these take frames from their host, sensor: {_STREAM}: {streaming}"


def _boards_with(ability: str, catalog: Mapping[str, Board]) -> str:
    return f"boards that can: {', '.join(sorted(n for n, b in catalog.items() if getattr(b.spec, ability))) or 'none'}"
