"""Golden vectors: pinned inputs and what they must give, for self-tests on devices and in twins."""

from __future__ import annotations

import hashlib
import struct

import numpy as np

from tinyops.features import FrameFeatures
from tinyops.images import SEEDS, golden_input
from tinyops.recordings import Counts, Recordings
from tinyops.squeeze.int8_graph import Int8Interface
from tinyops.squeeze.oracle import Vectors

MAGIC = b"TOG1"
STREAM_MAGIC = b"TOS1"
STREAM_HOPS = 3  # after the first window: enough to see the window move
STREAM_IMAGES = 4
VECTORS = 16
REAL_VECTORS = 10  # at most; the rest are extremes and noise
INT8_MIN, INT8_MAX = -128, 127


def self_tests(interface: Int8Interface) -> Vectors:
    """The inputs [8, bytes] that a device can make from a seed: one becomes the self-test of its image."""
    size = interface.input_bytes
    return np.stack([np.frombuffer(golden_input(seed, size), np.int8) for seed in SEEDS])


def most_telling(outputs: Vectors) -> int:
    """Which of the outputs has most different values, the first of such: few others give it by chance."""
    return int(np.argmax([len(np.unique(output)) for output in outputs]))


def golden_inputs(interface: Int8Interface, self_test: Vectors, windows: Vectors, labels: list[int]) -> Vectors:
    """The inputs [16, bytes]: the self-test, real windows of as many classes as there are, extremes, and noise.

    `windows` [N, bytes] may be empty. Extremes reach saturations that real data never does. The self-test is the
    first: a model that keeps state answers it on a device as it does here, from a cleared state.
    """
    size = interface.input_bytes
    real = windows[spread(labels, REAL_VECTORS)]
    extremes = [np.full(size, v, np.int8) for v in (INT8_MIN, INT8_MAX, interface.input_zero_point)]
    noise = [_noise(n, size) for n in range(VECTORS - 1 - len(real) - len(extremes))]
    return np.stack([self_test, *real, *extremes, *noise])


def spread(labels: list[int], number: int) -> list[int]:
    """Up to `number` indices, classes in turn, evenly over each class's windows."""
    mine = {label: [i for i, its in enumerate(labels) if its == label] for label in sorted(set(labels))}
    if not mine:
        return []
    share = -(-number // len(mine))
    rounds = {
        label: [its[i * len(its) // min(share, len(its))] for i in range(min(share, len(its)))]
        for label, its in mine.items()
    }
    turns = [its[turn] for turn in range(share) for its in rounds.values() if turn < len(its)]
    return turns[:number]


def _noise(number: int, size: int) -> Vectors:
    """Bytes that no release of numpy will ever draw differently."""
    return np.frombuffer(hashlib.shake_256(f"tinyops golden {number}".encode()).digest(size), np.int8)


def pack_golden(inputs: Vectors, outputs: Vectors) -> bytes:
    """`golden.bin`, little-endian: the magic, the number of vectors, bytes of an input and an output, then pairs."""
    head = MAGIC + struct.pack("<III", len(inputs), inputs.shape[1], outputs.shape[1])
    return head + b"".join(i.tobytes() + o.tobytes() for i, o in zip(inputs, outputs, strict=True))


def stream_frames(recordings: Recordings, features: FrameFeatures) -> Counts:
    """Frames [N, V] as a sensor would give them: the start of a test recording, or a few test images.

    They end with a window, so that every frame counts.
    """
    test = [i for i in range(len(recordings)) if recordings.test[i]]
    if features.window_frames == 1 and features.frame_values == recordings.counts.shape[1]:
        return np.concatenate([recordings.frames(i)[:1] for i in test[:STREAM_IMAGES]])
    samples = recordings.frames(test[0])
    window, hop = features.window_frames, features.hop_frames
    frames = samples.size // features.frame_values
    hops = min((frames - window) // hop, STREAM_HOPS)
    whole = (window + hops * hop) * features.frame_values
    return samples.reshape(-1)[:whole].reshape(-1, features.frame_values)


def stream_windows(rows: Vectors, window_rows: int, hop_rows: int) -> Vectors:
    """The windows [M, T, V] that a device infers on when it makes those rows [N, V] from a cleared state."""
    starts = range(0, len(rows) - window_rows + 1, hop_rows)
    return np.stack([rows[start : start + window_rows] for start in starts])


def pack_stream(frames: Counts, outputs: Vectors) -> bytes:
    """`stream.bin`, little-endian: the magic, frames, values in a frame, results, bytes of an output; then the
    frames as int16, then the outputs."""
    head = STREAM_MAGIC + struct.pack("<IIII", len(frames), frames.shape[1], len(outputs), outputs.shape[1])
    return head + frames.astype("<i2").tobytes() + outputs.tobytes()
