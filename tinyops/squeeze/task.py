"""What a model is for: recordings, the sides they lie on, and how they become its input."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from tinyops.errors import SpecError
from tinyops.features import FrameFeatures
from tinyops.features.host import quantise_rows
from tinyops.features.planned import input_shape, planned_features
from tinyops.features.values import float_inputs
from tinyops.files import MIB, JsonObject, read_bounded
from tinyops.recordings import Mask, Recordings, Windows, cut_windows, in_rows, load
from tinyops.squeeze.int8_graph import Int8Interface
from tinyops.squeeze.oracle import Vectors

JSON_LIMIT_BYTES = 256 * MIB
COUNTS = 32768  # of full scale

Side = Literal["train", "validation", "test"]


@dataclass(frozen=True)
class Task:
    """The data that a model is for: its recordings, in samples and in rows, how they become its input, its classes.

    `held` [R] are recordings of the training side that it never learned from: variants are chosen by them. `learned`
    are the classes that training saw.
    """

    recordings: Recordings
    rows: Recordings
    signal: dict[str, Any]
    classes: tuple[str, ...]
    features: FrameFeatures
    held: Mask
    learned: frozenset[str]

    def windows(self, side: Side) -> Windows:
        window, hop = self.features.rows, self.features.hop_rows
        apart = {"train": self.rows.test | self.held, "validation": self.held, "test": self.rows.test}[side]
        rows = replace(self.rows, test=apart)
        return cut_windows(rows, test=side != "train", window_frames=window, hop_frames=hop)

    @property
    def judged(self) -> tuple[Side, ...]:
        """The sides that models are measured on."""
        return ("test", "validation") if self.held.any() else ("test",)

    @property
    def recordings_by_side(self) -> dict[str, int]:
        """How many there are; a side that nothing is held back for is not named."""
        test, held = int(self.recordings.test.sum()), int(self.held.sum())
        sides = {"train": len(self.recordings) - test - held, "test": test}
        return sides | ({"validation": held} if held else {})

    @property
    def shape(self) -> tuple[int, ...]:
        return input_shape(self.features, self.signal)

    def float_inputs(self, windows: Windows) -> Any:
        return float_inputs(windows.counts, self.features).reshape(-1, *self.shape)

    def int8_inputs(self, windows: Windows, interface: Int8Interface) -> Vectors:
        """The model's input bytes [N, T * V] as the device computes them from rows [N, T, V]."""
        number, _, values = windows.counts.shape
        rows = windows.counts.reshape(-1, values)
        quantised = quantise_rows(rows, self.features, interface.input_scale, interface.input_zero_point)
        return np.asarray(quantised, np.int8).reshape(number, -1)


def read_task(inputs: Mapping[str, Path], features: FrameFeatures) -> Task:
    """Of a squeeze step's inputs. What training held back is in training.json, where there is one."""
    dataset = read_json(inputs["dataset.json"])
    recordings = load(inputs["recordings.npz"])
    record = read_json(inputs["training.json"]).get("validation") if "training.json" in inputs else None
    kept_back = frozenset(record["recordings"]) if record else frozenset()
    held = np.array([name in kept_back for name in recordings.ids], np.bool_)
    rows = in_rows(recordings, features)
    classes, normal = tuple(dataset["classes"]), dataset.get("normal")
    learned = frozenset(classes if normal is None else [normal])
    return Task(recordings, rows, dataset["signal"], classes, features, held, learned)


def read_json(path: Path) -> JsonObject:
    value: JsonObject = json.loads(read_bounded(path, JSON_LIMIT_BYTES))
    return value


def physical_features(settings: JsonObject, signal: JsonObject) -> FrameFeatures:
    """A finished model takes values in the signal's units: nothing else is known of how it was trained."""
    return replace(planned_features(settings, signal), gain=tuple(scale / COUNTS for scale in signal["full_scale"]))


def check_interface(name: str, interface: Int8Interface, task: Task) -> None:
    """Raises SpecError where the model's input or output is not the task's."""
    wanted = int(np.prod(task.shape))
    if interface.input_bytes != wanted:
        raise SpecError(
            f"{name}: its input {list(interface.input_shape)} takes {interface.input_bytes:,} values, "
            f"a window of the dataset has {list(task.shape)}, {wanted:,} values",
            hint="correct input.window_s, or name the dataset that the model was trained for",
        )
    if interface.output_bytes != len(task.classes):
        raise SpecError(
            f"{name}: has {interface.output_bytes} outputs, the dataset {len(task.classes)} classes",
            hint="name the dataset that the model was trained for",
        )
