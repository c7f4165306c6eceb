"""Which sensor of a board records for a dataset, and the collector that reads it."""

from __future__ import annotations

from tinyops.boards.model import Board, Framework, SensorFacts
from tinyops.documents import closest
from tinyops.errors import SpecError
from tinyops.files import JsonObject
from tinyops.firmware.collector import collecting
from tinyops.firmware.forms.form import Request
from tinyops.manifest.contract import collector_contract
from tinyops.specs.board_rules import sensor_mismatches
from tinyops.specs.dataset import Signal

STREAM: JsonObject = {"kind": "stream", "port": "serial"}


def collector_request(
    dataset: str, signal: Signal, board: Board, *, sensor: str | None = None, framework: Framework | None = None
) -> Request:
    """A collector of the board's for a dataset. `sensor` is one of the board's own; None: the first that delivers the
    signal and has a driver, else none: the collector then says so when it is to record. Raises SpecError for a sensor
    that is not there or delivers something else, and for one that no firmware of the board reads."""
    chosen = _named(board, signal, sensor) if sensor is not None else _fitting(board, signal, framework)
    if framework is None and chosen is not None and _has_driver(board, chosen):
        framework = "arduino"
    if sensor is not None and not _reads(board, sensor, framework):
        raise SpecError(
            f"no firmware of {board.name} reads {sensor}",
            hint=_others(board) or "record with another board, or from the host's own sensors",
        )
    return Request(
        board=board.name,
        spec=collecting(board.built_with(framework).spec),
        fleet=dataset,
        sensor={"kind": "onboard", "name": chosen.name} if chosen is not None else STREAM,
        contract=collector_contract(signal.model_dump(mode="json")),
        collects=True,
    )


def _named(board: Board, signal: Signal, name: str) -> SensorFacts:
    known = {facts.name: facts for facts in board.spec.sensors}
    if name not in known:
        has = closest(name, known) or (f"it has {', '.join(known)}" if known else "it has none of its own")
        raise SpecError(f"{board.name} has no sensor {name!r}", hint=has)
    faults = tuple(sensor_mismatches(known[name], signal))
    if faults:
        raise SpecError(f"{name} of {board.name} does not deliver the dataset's signal: {'; '.join(faults)}")
    return known[name]


def _fitting(board: Board, signal: Signal, framework: Framework | None) -> SensorFacts | None:
    wanted: tuple[Framework | None, ...] = (framework,) if framework is not None else ("arduino", None)
    fitting = [facts for facts in board.spec.sensors if not any(sensor_mismatches(facts, signal))]
    return next((facts for facts in fitting if any(_reads(board, facts.name, name) for name in wanted)), None)


def why_not(signal: Signal, board: Board) -> tuple[str, ...]:
    """Why each sensor of the board's own is not the one: a sentence each."""
    faults = {facts.name: "; ".join(sensor_mismatches(facts, signal)) for facts in board.spec.sensors}
    return tuple(f"{name}: {fault or 'no firmware here reads it'}" for name, fault in faults.items())


def _has_driver(board: Board, facts: SensorFacts) -> bool:
    return board.spec.arduino is not None and facts.name in board.spec.arduino.drivers


def _reads(board: Board, sensor: str, framework: Framework | None) -> bool:
    """A page reads its phone's sensors itself, and who implements a library's port reads what there is."""
    if board.spec.port in ("browser", "library"):
        return True
    if framework == "arduino":
        return board.spec.arduino is not None and sensor in board.spec.arduino.drivers
    return sensor in board.spec.drivers


def _others(board: Board) -> str:
    readers = {"bare-metal": board.spec.drivers, "arduino": board.spec.arduino.drivers if board.spec.arduino else {}}
    said = {name: ", ".join(sorted(found)) for name, found in readers.items() if found}
    return "; ".join(f"its {name} firmware reads {names}" for name, names in said.items())
