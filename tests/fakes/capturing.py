"""What tests of recording share: a dataset of three channels, somebody who records, a session over any way in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from tinyops.collect.capture.finishing import Destination, Kept
from tinyops.collect.capture.opening import Form, open_source
from tinyops.collect.capture.recording import View
from tinyops.collect.capture.session import Act, Session
from tinyops.collect.capture.source import Source
from tinyops.collect.capture.wanted import Wanted, line_form
from tinyops.collect.capture.ways.kind import Opening
from tinyops.collect.capture.ways.registry import WAYS
from tinyops.datasets.editing import read_index
from tinyops.datasets.objects import Folder, Objects, data_folder
from tinyops.datasets.take import Take, read_take
from tinyops.specs.model import DatasetSpec, RecordingsSource, Signal

SIGNAL = Signal(
    sensor="imu", channels=("ax", "ay", "az"), units=("g", "g", "g"), full_scale=(4.0, 4.0, 4.0), rate_hz=2000.0
)


def dataset_of(signal: Signal) -> DatasetSpec:
    source = RecordingsSource(kind="recordings", index="../data/wrist.csv")
    return DatasetSpec(classes=("still", "shake"), signal=signal, sources=(source,))


@dataclass
class Scripted:
    """Who records by a script: acts by the number of frames that are recorded, once each; nobody without one."""

    script: list[tuple[int, Act]] = field(default_factory=list)
    present: bool = False
    said: list[str] = field(default_factory=list)
    takes: list[Kept] = field(default_factory=list)
    views: list[View] = field(default_factory=list)
    frames: Callable[[], int] = lambda: 0
    label: str = "shake"

    def act(self) -> Act | None:
        if self.script and self.frames() >= self.script[0][0]:
            return self.script.pop(0)[1]
        return None

    def show(self, view: View | None, state: str) -> None:
        if view is not None:
            self.views.append(view)

    def ask_label(self, label: str) -> str:
        return self.label

    def kept(self, kept: Kept) -> None:
        self.takes.append(kept)

    def say(self, text: str) -> None:
        self.said.append(text)


@contextlib.contextmanager
def opened(option: str, address: str, signal: Signal = SIGNAL, **form: str) -> Iterator[Source]:
    """A source over a way in, by its option's name."""
    way = next(w for w in WAYS if w.option == option)
    line = line_form(signal, form.get("columns", ""), form.get("scale", ""), form.get("units", ""))
    way.check(address)
    source = open_source(way, address, Opening(signal), Form(form.get("format", "auto"), line))
    try:
        yield source
    finally:
        source.close()


@dataclass
class Bench:
    """A dataset in a folder of its own."""

    folder: Path
    signal: Signal = SIGNAL

    @property
    def destination(self) -> Destination:
        index = self.folder / "data" / "wrist.csv"
        return Destination(index, Objects(Folder(data_folder(index)), "wrist", self.folder / "cache"))

    def session(self, source: Source, wanted: Wanted, operator: Scripted) -> Session:
        return Session(source, self.destination, wanted, dataset_of(self.signal), operator)

    def takes(self) -> list[Take]:
        """As the index names them."""
        return [read_take(self.destination.objects.read(e), e.path) for e in read_index(self.destination.index)]

    def frames(self) -> list[list[int]]:
        """Which frames of the ramp each take holds."""
        return [frame_numbers(take) for take in self.takes()]

    @property
    def unfinished(self) -> list[Path]:
        return sorted(self.destination.journals.glob("*.journal"))


def frame_numbers(take: Take) -> list[int]:
    return np.asarray(take.values[:, 0]).astype(int).tolist()


def three(number: int) -> bytes:
    """A line of a device that prints three numbers."""
    return f"{number / 1000:.3f},{number % 3},-1.5\r\n".encode()
