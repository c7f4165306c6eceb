"""A repository that begins with a sensor: a dataset that people record into, as a board's own sensor delivers it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyops.boards.model import Board, SensorFacts
from tinyops.datasets.index import NEEDED
from tinyops.datasets.index_cells import label as label_cell
from tinyops.documents import closest
from tinyops.errors import UsageError

EMPTY_INDEX = (",".join(NEEDED) + "\n").encode()
MOTION_RATE_HZ, SOUND_RATE_HZ = 100.0, 16000.0  # where a sensor has several
_DATASETS = {"microphone": "sound"}  # else motion


@dataclass(frozen=True)
class Recording:
    """What somebody is going to record: classes, and which of the board's sensors."""

    classes: tuple[str, ...]
    sensor: str | None = None


@dataclass(frozen=True)
class SensorText:
    """A signal as text of YAML."""

    kind: str
    channels: str
    units: str
    full_scale: str
    rate_hz: str
    origin: str


def check_classes(texts: Sequence[str]) -> tuple[str, ...]:
    """The classes of a dataset that is yet to be recorded. Raises UsageError for what no index may hold."""
    classes = tuple(text.strip() for text in texts)
    try:
        for text in classes:
            label_cell(text)
    except ValueError as error:
        raise UsageError(f"--record {','.join(texts)[:100]}: {error}") from None
    if len(classes) < 2 or len(set(classes)) < len(classes) or "" in classes:
        raise UsageError("--record takes two classes or more, each once", hint="such as --record rest,shake")
    return classes


def sensor_of(board: Board, name: str | None = None) -> SensorText:
    """A sensor of the board's, by default its first that gives a stream; without any, an accelerometer wired to it.

    Raises UsageError for a name that none has.
    """
    streams = {facts.name: facts for facts in board.spec.sensors if facts.rates_hz and facts.size is None}
    if name is not None and name not in streams:
        has = f"it has {', '.join(streams)}" if streams else "it has none of its own that gives a stream"
        raise UsageError(f"{board.name} has no sensor {name!r} to record from", hint=closest(name, streams) or has)
    if not streams:
        return SensorText("accelerometer", "ax, ay, az", "m/s2, m/s2, m/s2", "39.2, 39.2, 39.2", "100", "you wire it")
    facts = streams[name or next(iter(streams))]
    return SensorText(
        kind=facts.kind,
        channels=", ".join(facts.channels),
        units=", ".join(json.dumps(unit) if unit.isdigit() else unit for unit in facts.units),
        full_scale=", ".join(f"{limit:g}" for limit in facts.ranges),
        rate_hz=f"{_rate(facts):g}",
        origin=f"{facts.name} of {board.name} delivers it",
    )


def recorded_templates(dataset: str, model: str) -> Mapping[str, str]:
    """The template of each file."""
    return {
        f"specs/{dataset}.yaml": "recorded/dataset.yaml.j2",
        f"specs/{model}-model.yaml": "recorded/model.yaml.j2",
        "specs/fleets.yaml": "recorded/fleets.yaml.j2",
    }


def recorded_values(recording: Recording, board: Board, project: str) -> dict[str, Any]:
    """What the templates hold. Raises UsageError."""
    sensor = sensor_of(board, recording.sensor)
    dataset = _DATASETS.get(sensor.kind, "motion")
    classes = ", ".join(json.dumps(text) for text in check_classes(recording.classes))  # "yes" is no truth value
    return {"recorded": dataset, "model": project, "classes": classes, "sensor": sensor}


def _rate(facts: SensorFacts) -> float:
    wanted = SOUND_RATE_HZ if facts.kind == "microphone" else MOTION_RATE_HZ
    return min(facts.rates_hz, key=lambda rate: abs(rate - wanted))
