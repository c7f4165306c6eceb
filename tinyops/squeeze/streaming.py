"""What a device infers on when frames come in: its windows, as its own code computes them."""

from __future__ import annotations

import numpy as np

from tinyops.features import FrameFeatures, StagedFeatures
from tinyops.features.host import extract_rows, quantise_rows
from tinyops.recordings import Counts
from tinyops.squeeze.golden import stream_windows
from tinyops.squeeze.oracle import Vectors


def streamed_inputs(frames: Counts, features: FrameFeatures, scale: float, zero_point: int) -> Vectors:
    """The model's inputs [N, bytes], of `scale` and `zero_point`, that frames [N, V] cause from a cleared state."""
    values = features.signal_channels if isinstance(features, StagedFeatures) else features.frame_values
    rows = extract_rows(frames.reshape(-1, values), features)
    quantised = np.asarray(quantise_rows(rows, features, scale, zero_point), np.int8)
    windows = stream_windows(quantised, features.rows, features.hop_rows)
    return windows.reshape(len(windows), -1)
