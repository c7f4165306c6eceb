"""What a model takes recordings for, window by window, as a device would: features, int8, TFLM's interpreter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tinyops.errors import SpecError
from tinyops.features import FrameFeatures, TensorFeatures, read_features
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.features.values import counts_from_values
from tinyops.graph import read_graph
from tinyops.label.signals import Shown
from tinyops.squeeze.golden import stream_windows
from tinyops.squeeze.int8_graph import Int8Interface, check_int8
from tinyops.squeeze.oracle import run_vectors

WINDOWS_MAX = 4000  # of one recording: a longer one is looked at in its first part
CERTAIN = 100


@dataclass(frozen=True)
class Guesses:
    """Of each window: its first frame, its class, how sure the model is in hundredths; `frames` of one window."""

    begins: tuple[int, ...]
    classes: tuple[int, ...]
    sure: tuple[int, ...]
    frames: int


@dataclass(frozen=True)
class Judge:
    """A model that judges recordings of a signal."""

    int8: Path
    features: FrameFeatures
    interface: Int8Interface
    full_scale: tuple[float, ...]

    @property
    def samples(self) -> int:
        """Frames of the recording in one frame of the features."""
        return max(self.features.frame_values // len(self.full_scale), 1)


def open_judge(int8: Path, features: Path, full_scale: tuple[float, ...], classes: int) -> Judge:
    """Raises SpecError for a model that does not classify this dataset's recordings."""
    read = read_features(features)
    if isinstance(read, TensorFeatures):
        raise SpecError(f"{int8.name}: takes tensors, which nobody can cut out of a recording")
    interface = check_int8(read_graph(int8), trained=False)
    if interface.output_bytes != classes:
        raise SpecError(f"{int8.name}: has {interface.output_bytes} outputs, the dataset {classes} classes")
    return Judge(int8, read, interface, full_scale)


def guess(judge: Judge, recordings: Sequence[Shown]) -> list[Guesses]:
    """The guesses for each recording, all through one interpreter. Raises SpecError and ToolError."""
    cut = [_windows(judge, shown) for shown in recordings]
    filled = [vectors for _, vectors in cut if len(vectors)]
    outputs = run_vectors(judge.int8, np.concatenate(filled)) if filled else np.empty((0, 1), np.int8)
    found, at = [], 0
    for begins, vectors in cut:
        found.append(_guesses(judge, begins, outputs[at : at + len(vectors)]))
        at += len(vectors)
    return found


def _guesses(judge: Judge, begins: list[int], outputs: NDArray[np.int8]) -> Guesses:
    window = judge.samples * judge.features.window_frames
    if not begins:
        return Guesses((), (), (), window)
    sure = np.rint(shares(outputs, judge.interface).max(axis=1) * CERTAIN).astype(int)
    best = outputs.argmax(axis=1)
    return Guesses(tuple(begins), tuple(int(n) for n in best), tuple(int(n) for n in sure), window)


def shares(outputs: NDArray[np.int8], interface: Int8Interface) -> NDArray[np.float64]:
    """Outputs [N, classes] as shares of one; what is none, such as logits, through softmax."""
    scale, zero = interface.output_scale, interface.output_zero_point
    real = (outputs.astype(np.float64) - zero) * scale
    if (-128 - zero) * scale < 0 or (127 - zero) * scale > 1:
        real = np.exp(real - real.max(axis=1, keepdims=True))
    total = real.sum(axis=1, keepdims=True)
    found: NDArray[np.float64] = real / np.where(total > 0, total, 1)
    return found


def _windows(judge: Judge, shown: Shown) -> tuple[list[int], NDArray[np.int8]]:
    """First frames and input bytes of the windows, each whole in a part without a gap."""
    begins: list[int] = []
    vectors: list[NDArray[np.int8]] = []
    features, window = judge.features, judge.samples * judge.features.window_frames
    for begin, end in shown.parts:
        if end - begin < window or len(begins) >= WINDOWS_MAX:
            continue
        hop = judge.samples * features.hop_frames
        end = min(end, begin + window + (WINDOWS_MAX - len(begins)) * hop)
        found = _vectors(judge, _counts(shown.values[begin:end], judge.full_scale))
        begins += [begin + number * hop for number in range(len(found))]
        vectors.append(found)
    return begins, np.concatenate(vectors) if vectors else np.empty((0, 1), np.int8)


def _vectors(judge: Judge, counts: NDArray[np.int16]) -> NDArray[np.int8]:
    features, interface = judge.features, judge.interface
    rows = extract_rows(counts, features)
    quantised = quantise_rows(rows, features, interface.input_scale, interface.input_zero_point)
    windows = stream_windows(np.asarray(quantised, np.int8), features.rows, features.hop_rows)
    flat: NDArray[np.int8] = windows.reshape(len(windows), -1)
    return flat


def _counts(values: NDArray[np.float64], full_scale: tuple[float, ...]) -> NDArray[np.int16]:
    return counts_from_values(values.reshape(-1, len(full_scale)), full_scale).reshape(values.shape)
