"""What each epoch trains on: the windows of the training side, as they are or augmented."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from tinyops.features import FrameFeatures
from tinyops.features.values import float_inputs
from tinyops.files import MIB, read_bounded
from tinyops.recordings import Counts, Recordings, Windows, cut_windows, load
from tinyops.train.augment.varied import Augmentation, read_augmentation, rows_of, training_side, varied_rows

DATASET_LIMIT_BYTES = 256 * MIB


def model_inputs(counts: Counts, features: FrameFeatures, request: dict[str, Any]) -> NDArray[Any]:
    """Windows of rows as the float model sees them."""
    return float_inputs(counts, features).reshape(-1, *request["input_shape"])


class EpochInputs:
    """Inputs by epoch. Windows keep their order, so labels are the same for all."""

    def __init__(
        self,
        recordings: Recordings,
        windows: Windows,
        features: FrameFeatures,
        request: dict[str, Any],
        *,
        masked: bool = True,
    ) -> None:
        """`masked` says whether augmentation's steps on rows act."""
        self._windows, self._features, self._request = windows, features, request
        self._augmentation = _augmentation(recordings, request)
        self._training = training_side(recordings) if self._augmentation is not None else None
        self._copies = request["training"].get("copies")
        self._masks = masked
        self._held: dict[int, Counts] = {}

    @property
    def change(self) -> bool:
        """Whether each epoch has inputs of its own."""
        return self._augmentation is not None

    def plain(self) -> NDArray[Any]:
        """The inputs as they were recorded."""
        return model_inputs(self._windows.counts, self._features, self._request)

    def of(self, epoch: int) -> NDArray[Any]:
        """The inputs of an epoch."""
        counts = self._windows.counts
        if self._augmentation is not None:
            counts = self._masked(self._augmentation, epoch)
        return model_inputs(counts, self._features, self._request)

    def _masked(self, augmentation: Augmentation, epoch: int) -> Counts:
        windows = self._varied(augmentation, epoch if self._copies is None else epoch % int(self._copies))
        if not augmentation.on_rows or not self._masks:
            return windows
        return augmentation.mask(windows, rows_of(self._features, self._request["signal"]), epoch)

    def _varied(self, augmentation: Augmentation, copy: int) -> Counts:
        if not augmentation.on_samples:
            return self._windows.counts
        if copy in self._held:
            return self._held[copy]
        assert self._training is not None
        rows = varied_rows(self._training, self._features, augmentation, copy)
        window, hop = self._features.rows, self._features.hop_rows
        counts = cut_windows(rows, test=False, window_frames=window, hop_frames=hop).counts
        if self._copies is not None:
            self._held[copy] = counts
        return counts


def _augmentation(recordings: Recordings, request: dict[str, Any]) -> Augmentation | None:
    training = request["training"]
    if not training.get("augment"):
        return None
    others = {}
    for name, files in request.get("backgrounds", {}).items():
        classes = json.loads(read_bounded(Path(files["dataset.json"]), DATASET_LIMIT_BYTES))["classes"]
        others[name] = (load(Path(files["recordings.npz"])), classes)
    return read_augmentation(training, request["signal"], request["classes"], recordings, others)
