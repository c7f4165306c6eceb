"""What models cost on real boards, as committed files: measurements/<board>/<model>-<digest>.json.

The one source of milliseconds: instructions of an emulator become time by the cycles that a board of the same name took
for each of them.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from tinyops.errors import SpecError
from tinyops.files import MIB, JsonObject, pretty_json, read_bounded, write_atomic

FOLDER = "measurements"
DIGEST_DIGITS = 12
MOST_FILES = 10_000


@dataclass(frozen=True)
class Spread:
    """Of all vectors."""

    min: float
    median: float
    max: float

    @staticmethod
    def of(values: Sequence[float]) -> Spread:
        return Spread(min(values), statistics.median(values), max(values))


@dataclass(frozen=True)
class Measurement:
    """A model on a board. `cycles` and `microseconds` are those of one inference; `instructions` the most of any
    vector in the board's twin, None where none was counted; `core_hz` is what cycles and time give together. Digests
    are SHA-256; that of outputs is of all vectors' output bytes in turn. `serial` is the device's, where it is known.
    """

    board: str
    cpu: str
    clock_hz: int
    core_hz: int
    model: str
    model_digest: str
    image_digest: str
    compiler: str
    prefer: str
    vectors: int
    bit_exact: bool
    cycles: Spread
    microseconds: Spread
    instructions: int | None
    stack_bytes: int
    outputs_digest: str
    date: str
    serial: str | None
    emulated: bool

    def to_json(self) -> JsonObject:
        return asdict(self)

    @staticmethod
    def from_json(value: Any) -> Measurement:
        """Raises ValueError or TypeError for anything else."""
        if not isinstance(value, dict) or set(value) != {f.name for f in fields(Measurement)}:
            raise ValueError("not a measurement")
        spreads = {name: Spread(**value[name]) for name in ("cycles", "microseconds")}
        found = Measurement(**{**value, **spreads})
        numbers = (found.cycles.max, found.clock_hz, found.instructions or 1)
        if not all(isinstance(n, int | float) and n > 0 for n in numbers):
            raise ValueError("its numbers are not above zero")
        return found


@dataclass(frozen=True)
class Factor:
    """Cycles that a board takes for an instruction of its twin: the median of its measurements, `runs` of them."""

    cycles: float
    clock_hz: int
    runs: int

    def milliseconds(self, instructions: int) -> float:
        return 1000 * instructions * self.cycles / self.clock_hz

    def describe(self, instructions: int) -> str:
        """A time, and what it rests on."""
        runs = "1 run" if self.runs == 1 else f"{self.runs} runs"
        return f"{self.milliseconds(instructions):,.2f} ms, measured on hardware: {runs}, {self.cycles:.2f} cycles each"


def write_measurement(measurement: Measurement, folder: Path) -> Path:
    """Writes it below a folder of measurements; an earlier one of the same model and board is replaced."""
    stem = Path(measurement.model).stem
    digits = measurement.model_digest.removeprefix("sha256:")[:DIGEST_DIGITS]
    path = folder / measurement.board / f"{stem}-{digits}.json"
    write_atomic(path, pretty_json(measurement.to_json()))
    return path


def read_factor(folder: Path, board: str) -> Factor | None:
    """From all measurements of a board; None where there are none. Raises SpecError for a file that is none."""
    found = [m for m in _read(folder / board) if m.instructions and not m.emulated]
    if not found:
        return None
    cycles = statistics.median(m.cycles.max / m.instructions for m in found if m.instructions)
    return Factor(cycles, found[-1].clock_hz, len(found))


class Clock:
    """Instructions to milliseconds, where boards were measured; the files of each board are read once."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._factors: dict[str, Factor | None] = {}

    def __call__(self, board: str, instructions: int) -> float | None:
        if board not in self._factors:
            self._factors[board] = read_factor(self._folder, board)
        factor = self._factors[board]
        return factor.milliseconds(instructions) if factor else None


def _read(folder: Path) -> list[Measurement]:
    found = []
    for path in sorted(folder.glob("*.json"))[:MOST_FILES]:
        try:
            found.append(Measurement.from_json(json.loads(read_bounded(path, MIB))))
        except (ValueError, TypeError, KeyError) as error:
            raise SpecError(
                f"{path}: {error}", hint="`tinyops bench --port` writes these files: do not edit them"
            ) from error
    return found
