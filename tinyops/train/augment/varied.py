"""The training side as augmentation makes it: the same seed, copy and recording give the same samples."""

from __future__ import annotations

import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeAlias

import numpy as np
from pydantic import TypeAdapter

from tinyops.errors import SpecError
from tinyops.features import FrameFeatures, StagedFeatures
from tinyops.files import JsonObject
from tinyops.recordings import Counts, Recordings, in_rows
from tinyops.specs.augment import AnyStep, AugmentStep, MixStep
from tinyops.train.augment.kind import Background, Random, Rows, Scene
from tinyops.train.augment.registry import ON_ROWS, ON_SAMPLES

LOWEST, HIGHEST = -32768, 32767
Labelled: TypeAlias = tuple[Recordings, Sequence[str]]  # and the classes that its labels index
_STEPS: TypeAdapter[tuple[AnyStep, ...]] = TypeAdapter(tuple[AugmentStep, ...])


@dataclass(frozen=True)
class Augmentation:
    """Steps in their order, and what they act with. `copy` numbers the variations: each is another."""

    steps: tuple[AnyStep, ...]
    scene: Scene
    seed: int

    @cached_property
    def on_samples(self) -> tuple[AnyStep, ...]:
        return tuple(s for s in self.steps if type(s) in ON_SAMPLES)

    @cached_property
    def on_rows(self) -> tuple[AnyStep, ...]:
        return tuple(s for s in self.steps if type(s) in ON_ROWS)

    def samples(self, counts: Counts, name: str, copy: int) -> Counts:
        """A recording's samples [N, C] in variation `copy`; saturated where 16 bits end."""
        random = self._random(name, copy, 0)
        samples = counts.astype(np.float64)
        for step in self.on_samples:
            if _acts(step, random):
                samples = ON_SAMPLES[type(step)](samples, step, self.scene, random)  # type: ignore[index]
        return np.clip(np.rint(samples), LOWEST, HIGHEST).astype(np.int16)

    def mask(self, windows: Counts, rows: Rows, copy: int, name: str = "") -> Counts:
        """Windows [N, T, V] with the steps on rows; a copy of them. `name` tells one list of windows from another."""
        masked = windows.copy()
        random = self._random(name, copy, 1)
        for window in masked:
            for step in self.on_rows:
                if _acts(step, random):
                    ON_ROWS[type(step)](window, step, rows, random)  # type: ignore[index]
        return masked

    def _random(self, name: str, copy: int, domain: int) -> Random:
        return np.random.default_rng([self.seed, copy, domain, zlib.crc32(name.encode())])


def _acts(step: AnyStep, random: Random) -> bool:
    return step.chance >= 1 or random.random() < step.chance


def training_side(recordings: Recordings) -> Recordings:
    """The recordings of the training side alone, in their order."""
    kept = np.flatnonzero(~recordings.test)
    if not len(kept):
        raise SpecError("the training side has no recordings")
    pieces = [recordings.frames(int(r)) for r in kept]
    return Recordings(
        np.concatenate(pieces),
        np.cumsum([0, *map(len, pieces)]).astype(np.int64),
        recordings.labels[kept],
        recordings.test[kept],
        tuple(recordings.ids[int(r)] for r in kept),
    )


def varied(training: Recordings, augmentation: Augmentation, copy: int) -> Recordings:
    """The same recordings in variation `copy`. They must be of a training side."""
    assert not training.test.any(), "augmentation is for the training side"
    pieces = [
        augmentation.samples(training.frames(n).reshape(-1, len(augmentation.scene.channels)), training.ids[n], copy)
        for n in range(len(training))
    ]
    return replace(training, counts=np.concatenate(pieces).reshape(training.counts.shape))


def varied_rows(training: Recordings, features: FrameFeatures, augmentation: Augmentation, copy: int) -> Recordings:
    """Rows that the device's C makes of variation `copy`."""
    return in_rows(varied(training, augmentation, copy) if augmentation.on_samples else training, features)


def rows_of(features: FrameFeatures, signal: JsonObject) -> Rows:
    """What masks must know of rows; of raw features a row is a sample."""
    rate_hz, channels = float(signal.get("rate_hz") or 1), len(signal["channels"])
    step = features.last.step if isinstance(features, StagedFeatures) else features.frame_values // channels
    repeat = features.row_values // len(features.offset)
    return Rows(step / rate_hz, channels, np.tile(np.array(features.offset, np.int64), repeat))


def read_augmentation(
    training: JsonObject, signal: JsonObject, classes: Sequence[str], own: Recordings, others: Mapping[str, Labelled]
) -> Augmentation:
    """Of a train step's settings; `own` may be both sides: backgrounds are taken of the training side alone.

    `others` are the recordings and classes of other datasets, by name. Raises SpecError for a class without recordings
    on its training side.
    """
    steps = _STEPS.validate_python(training.get("augment", ()))
    known: dict[str | None, Labelled] = {None: (own, classes)}
    known.update(others)
    channels = len(signal["channels"])
    backgrounds: dict[Background, tuple[Counts, ...]] = {}
    for step in steps:
        if isinstance(step, MixStep):
            backgrounds[step.dataset, step.of] = tuple(_backgrounds(known[step.dataset], step.of, channels))
    scene = Scene(tuple(signal["channels"]), signal.get("rate_hz"), backgrounds)
    return Augmentation(steps, scene, int(training["seed"]))


def _backgrounds(known: Labelled, label: str, channels: int) -> Iterator[Counts]:
    recordings, classes = known
    found = np.flatnonzero(~recordings.test & (recordings.labels == list(classes).index(label)))
    if not len(found):
        raise SpecError(f"training.augment: mix: class {label!r} has no recordings on the training side")
    for number in found:
        yield recordings.frames(int(number)).reshape(-1, channels)
