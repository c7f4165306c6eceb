"""What a step of augmentation is, and what it may know."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tinyops.recordings import Counts

Samples: TypeAlias = NDArray[np.float64]
Random: TypeAlias = np.random.Generator
Background: TypeAlias = tuple[str | None, str]  # a dataset (None: the model's own) and one of its classes


@dataclass(frozen=True)
class Scene:
    """The signal around a recording, and what may lie behind it: backgrounds of training sides, in counts [N, C]."""

    channels: tuple[str, ...]
    rate_hz: float | None
    backgrounds: Mapping[Background, Sequence[Counts]]


@dataclass(frozen=True)
class Rows:
    """What rows are: seconds from one to the next, channels beside each other in one, the mean of each value."""

    step_s: float
    channels: int
    means: NDArray[np.int64]


class SampleFunction(Protocol):
    """Varies one recording: samples [N, C] in counts, which it may overwrite; gives as many, in or beyond 16 bits."""

    def __call__(self, samples: Samples, step: Any, scene: Scene, random: Random, /) -> Samples: ...


class RowFunction(Protocol):
    """Varies one window of rows [T, V] in place."""

    def __call__(self, window: Counts, step: Any, rows: Rows, random: Random, /) -> None: ...
