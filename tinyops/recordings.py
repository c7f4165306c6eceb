"""The recordings of a dataset as arrays: the format of `recordings.npz`, windows, votes.

A recording is a run of frames with one label. Frames are int16 counts, `value / full_scale * 32768`,
as a board's firmware hands them to a model. Needs numpy, so it is imported where it is used.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.features import FrameFeatures, RawFeatures
from tinyops.features.host import extract_rows
from tinyops.statistics import Scores, score

Counts = NDArray[np.int16]
Mask = NDArray[np.bool_]
_DTYPES = {"counts": np.int16, "offsets": np.int64, "labels": np.int32, "test": np.bool_}


@dataclass(frozen=True)
class Recordings:
    """All recordings of a dataset, one after the other.

    `counts` [frames of all, V]; `offsets` [R + 1]: recording r is counts[offsets[r]:offsets[r + 1]];
    `labels` [R] index the dataset's classes; `test` [R] says on which side of the split it lies;
    `ids` [R] are unique.
    """

    counts: Counts
    offsets: NDArray[np.int64]
    labels: NDArray[np.int32]
    test: Mask
    ids: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)

    def frames(self, recording: int) -> Counts:
        """The counts [T, V] of one recording."""
        return self.counts[self.offsets[recording] : self.offsets[recording + 1]]


def save(recordings: Recordings, path: Path) -> None:
    """Writes `recordings.npz`: the same recordings give the same bytes on any machine."""
    arrays: dict[str, NDArray[Any]] = {name: getattr(recordings, name) for name in _DTYPES}
    arrays["ids"] = np.array(recordings.ids, dtype=np.str_)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            buffer = io.BytesIO()
            np.lib.format.write_array(buffer, np.ascontiguousarray(arrays[name]), version=(1, 0), allow_pickle=False)
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), buffer.getvalue())


def load(path: Path) -> Recordings:
    """Reads `recordings.npz` back. Raises SpecError when it is not what `save` writes."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in (*_DTYPES, "ids")}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise SpecError(f"{path}: not a file of recordings: {error}") from error
    recordings = Recordings(**{n: arrays[n] for n in _DTYPES}, ids=tuple(str(i) for i in arrays["ids"]))
    problem = _inconsistency(recordings)
    if problem:
        raise SpecError(f"{path}: not a file of recordings: {problem}")
    return recordings


def _inconsistency(recordings: Recordings) -> str:
    number = len(recordings.ids)
    for name, dtype in _DTYPES.items():
        if getattr(recordings, name).dtype != dtype:
            return f"{name} is {getattr(recordings, name).dtype}"
    if recordings.counts.ndim != 2 or recordings.labels.shape != (number,) or recordings.test.shape != (number,):
        return "its arrays do not belong together"
    offsets = recordings.offsets
    if offsets.shape != (number + 1,) or offsets[0] != 0 or offsets[-1] != len(recordings.counts):
        return "its offsets do not cover its frames"
    return "an empty recording" if (np.diff(offsets) <= 0).any() else ""


def some(recordings: Recordings, mask: Mask) -> Recordings:
    """The recordings [R] that the mask has, in their order."""
    kept = np.flatnonzero(mask)
    frames = [recordings.frames(int(r)) for r in kept]
    return Recordings(
        np.concatenate([recordings.counts[:0], *frames]),
        np.cumsum([0, *map(len, frames)]).astype(np.int64),
        recordings.labels[kept],
        recordings.test[kept],
        tuple(recordings.ids[int(r)] for r in kept),
    )


def in_rows(recordings: Recordings, features: FrameFeatures) -> Recordings:
    """The same recordings as rows of feature values, each from a cleared state, as a device makes them.

    Windows of `features.rows` rows every `features.hop_rows` rows are those that a device infers on. Raises SpecError
    for a recording shorter than a window.
    """
    samples = features.frame_values // recordings.counts.shape[1]
    if isinstance(features, RawFeatures) and samples == 1:
        return recordings
    window, hop = samples * features.window_frames, samples * features.hop_frames
    _check_lengths(recordings, window)
    rows = []
    for number in range(len(recordings)):
        counts = recordings.frames(number)
        whole = window + (len(counts) - window) // hop * hop  # samples after the last window make rows that no one sees
        rows.append(extract_rows(counts[:whole], features))
    offsets = np.cumsum([0, *map(len, rows)]).astype(np.int64)
    return replace(recordings, counts=np.concatenate(rows), offsets=offsets)


@dataclass(frozen=True)
class Windows:
    """Windows of one side: `counts` [N, T, V], the recording [N] that each was cut from, its label [N]."""

    counts: Counts
    recording: NDArray[np.int64]
    labels: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.labels)


def some_windows(windows: Windows, indices: NDArray[np.int64]) -> Windows:
    """Those of the windows, in the order of the indices."""
    return Windows(windows.counts[indices], windows.recording[indices], windows.labels[indices])


def cut_windows(recordings: Recordings, *, test: bool, window_frames: int, hop_frames: int) -> Windows:
    """Every whole window of the recordings on one side, in their order.

    A recording keeps its side, so no two sides share a frame. Raises SpecError for a recording
    shorter than a window: leaving it out would change what the accuracy is about.
    """
    _check_lengths(recordings, window_frames)
    places = list(_places(recordings, test, window_frames, hop_frames))
    values = recordings.counts.shape[1]
    counts = np.empty((len(places), window_frames, values), np.int16)
    for row, (recording, start) in enumerate(places):
        counts[row] = recordings.frames(recording)[start : start + window_frames]
    owner = np.array([recording for recording, _ in places], np.int64)
    return Windows(counts, owner, recordings.labels[owner].astype(np.int32))


def _places(recordings: Recordings, test: bool, window_frames: int, hop_frames: int) -> Iterator[tuple[int, int]]:
    for recording in np.flatnonzero(recordings.test == test):
        last = len(recordings.frames(int(recording))) - window_frames
        for start in range(0, last + 1, hop_frames):
            yield int(recording), start


def _check_lengths(recordings: Recordings, window_frames: int) -> None:
    lengths = np.diff(recordings.offsets)
    short = np.flatnonzero(lengths < window_frames)
    if len(short):
        first = int(short[0])
        more = f" (and {len(short) - 1} more)" if len(short) > 1 else ""
        raise SpecError(
            f"recording {recordings.ids[first]}: {lengths[first]} frames{more}, a window takes {window_frames}",
            hint="make input.window_s shorter, or leave the short recordings out of the dataset",
        )


@dataclass(frozen=True)
class Outcome:
    """How a model did on windows: judged by window, and by recording, which is what can be believed."""

    windows: Scores
    recordings: Scores


def judge(outputs: NDArray[Any], windows: Windows, classes: Sequence[str]) -> Outcome:
    """Judges outputs [N, classes] of the windows.

    A recording's class is the one that most of its windows have; of equals the one with the larger
    sum of outputs, then the first. Windows of one recording resemble each other, so only recordings count as
    independent evidence.
    """
    guesses = outputs.argmax(axis=1)
    owners, first, owner = np.unique(windows.recording, return_index=True, return_inverse=True)
    votes = np.zeros((len(owners), len(classes)), np.int64)
    sums = np.zeros(votes.shape, np.float64)
    np.add.at(votes, (owner, guesses), 1)
    np.add.at(sums, owner, outputs)
    most = votes == votes.max(axis=1, keepdims=True)
    voted = np.where(most, sums, -np.inf).argmax(axis=1)
    labels = windows.labels[first]
    by_window = score(windows.labels.tolist(), guesses.tolist(), classes)
    return Outcome(by_window, score(labels.tolist(), voted.tolist(), classes))
