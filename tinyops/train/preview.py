"""What `tinyops features` shows: recordings, the rows that a device's C makes of them, and how training varies them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import UsageError
from tinyops.features import FrameFeatures
from tinyops.features.host import extract_rows
from tinyops.features.planned import input_shape, planned_features
from tinyops.features.values import float_inputs
from tinyops.files import JsonObject
from tinyops.recordings import Counts, Recordings, Windows, cut_windows, in_rows
from tinyops.train.augment.varied import Augmentation, Labelled, read_augmentation, rows_of
from tinyops.train.normalise import fit_features

MEAN_WINDOWS_LIMIT = 4096  # of a class: more make no other picture
Inputs = NDArray[np.float32]


@dataclass(frozen=True)
class Shown:
    """One window: its samples [N, C] in counts, and the model's input [T, V], in spreads from the mean."""

    samples: Counts
    inputs: Inputs


@dataclass(frozen=True)
class Example:
    """One recording's window in its middle, as it is and varied."""

    id: str
    test: bool
    begin_s: float | None
    plain: Shown
    variations: tuple[Shown, ...]

    @property
    def limit(self) -> float:
        """The largest magnitude of its samples, varied or not: its pictures share their scale."""
        return max(float(np.abs(s.samples.astype(np.int32)).max()) for s in (self.plain, *self.variations)) or 1.0


@dataclass(frozen=True)
class ClassView:
    """`mean` [T, V] is over windows of the training side, None where it has none."""

    name: str
    recordings: Mapping[str, int]
    windows: int
    mean: Inputs | None
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Preview:
    """All that is shown."""

    features: FrameFeatures
    shape: tuple[int, ...]
    classes: tuple[ClassView, ...]


@dataclass(frozen=True)
class About:
    """What a preview is of: names ("" where no model is), the signal, the steps of augmentation."""

    dataset: str
    model: str
    signal: JsonObject
    augment: Sequence[JsonObject]


@dataclass(frozen=True)
class Wanted:
    """`per_class` recordings of each class, or one by its id; so many variations of each."""

    per_class: int = 2
    recording: str | None = None
    variations: int = 3


class Previewer:
    """Windows and their rows, as training makes them."""

    def __init__(self, recordings: Recordings, dataset: JsonObject, planned: FrameFeatures) -> None:
        self.recordings, self.signal, self.classes = recordings, dataset["signal"], tuple(dataset["classes"])
        self.rows = in_rows(recordings, planned)
        self.features = fit_features(self.rows, planned)
        self.channels = len(self.signal["channels"])
        self.frame_samples = max(planned.frame_values // recordings.counts.shape[1], 1)

    def example(self, number: int, augmentation: Augmentation | None, variations: int) -> Example:
        """A recording's window in its middle; its variations are those of the first epochs."""
        window, hop = self.features.window_frames, self.features.hop_frames
        frames = self.recordings.frames(number)
        last = (len(frames) - window * self.frame_samples) // (hop * self.frame_samples)
        at = max(last, 0) // 2
        varied = () if augmentation is None else tuple(self._varied(number, at, augmentation, variations))
        rate_hz = self.signal.get("rate_hz")
        begin_s = at * hop * self.frame_samples / rate_hz if rate_hz else None
        rows = self.rows.frames(number)
        plain = Shown(self._samples(frames, at), self._inputs(self._window(rows, at)))
        return Example(self.recordings.ids[number], bool(self.recordings.test[number]), begin_s, plain, varied)

    def _varied(self, number: int, at: int, augmentation: Augmentation, variations: int) -> Iterator[Shown]:
        frames, rows = self.recordings.frames(number), self.rows.frames(number)
        means = rows_of(self.features, self.signal)
        for copy in range(variations):
            samples, made = frames, rows
            if augmentation.on_samples:
                flat = augmentation.samples(frames.reshape(-1, self.channels), self.recordings.ids[number], copy)
                samples = flat.reshape(frames.shape)
                made = extract_rows(samples, self.features)
            window = augmentation.mask(self._window(made, at)[None], means, copy, self.recordings.ids[number])[0]
            yield Shown(self._samples(samples, at), self._inputs(window))

    def _window(self, rows: Counts, at: int) -> Counts:
        begin = at * self.features.hop_rows
        return rows[begin : begin + self.features.rows]

    def _samples(self, frames: Counts, at: int) -> Counts:
        begin = at * self.features.hop_frames * self.frame_samples
        return frames[begin : begin + self.features.window_frames * self.frame_samples].reshape(-1, self.channels)

    def _inputs(self, window: Counts) -> Inputs:
        return float_inputs(window, self.features)

    def views(self, augmentation: Augmentation | None, wanted: Wanted) -> Iterator[ClassView]:
        training = cut_windows(
            self.rows, test=False, window_frames=self.features.rows, hop_frames=self.features.hop_rows
        )
        for label, name in enumerate(self.classes):
            chosen = self._chosen(label, wanted)
            if wanted.recording is not None and not chosen:
                continue
            mine = self.recordings.labels == label
            sides = {
                "train": int((mine & ~self.recordings.test).sum()),
                "test": int((mine & self.recordings.test).sum()),
            }
            examples = tuple(self.example(number, augmentation, wanted.variations) for number in chosen)
            yield ClassView(name, sides, int((training.labels == label).sum()), self._mean(training, label), examples)

    def _mean(self, training: Windows, label: int) -> Inputs | None:
        mine = training.counts[training.labels == label][:MEAN_WINDOWS_LIMIT]
        return self._inputs(mine).mean(axis=0) if len(mine) else None

    def _chosen(self, label: int, wanted: Wanted) -> list[int]:
        """Recordings of a class, evenly over the training side; or the one that was asked for."""
        mine = np.flatnonzero(self.recordings.labels == label)
        if wanted.recording is not None:
            return [int(n) for n in mine if self.recordings.ids[n] == wanted.recording]
        trained = [int(n) for n in mine if not self.recordings.test[n]]
        count = min(wanted.per_class, len(trained))
        return [trained[i * len(trained) // count] for i in range(count)]


def make_preview(
    recordings: Recordings,
    dataset: JsonObject,
    settings: JsonObject,
    wanted: Wanted,
    others: Mapping[str, Labelled],
) -> Preview:
    """Of a dataset and a train step's settings: `input`, and `training` where there is any.

    Raises UsageError for a recording that there is not, SpecError for what training would refuse.
    """
    _check_recording(recordings.ids, wanted.recording)
    planned = planned_features(settings["input"], dataset["signal"])
    previewer = Previewer(recordings, dataset, planned)
    training = settings.get("training") or {}
    augmentation = None
    if training.get("augment"):
        augmentation = read_augmentation(training, dataset["signal"], dataset["classes"], recordings, others)
    views = tuple(previewer.views(augmentation, wanted))
    return Preview(previewer.features, input_shape(planned, dataset["signal"]), views)


def _check_recording(ids: Sequence[str], wanted: str | None) -> None:
    if wanted is None or wanted in ids:
        return
    near = [name for name in ids if wanted in name][:5]
    hint = f"there is {', '.join(near)}" if near else f"for example {', '.join(ids[:3])}"
    raise UsageError(f"the dataset has no recording {wanted!r}", hint=hint)
