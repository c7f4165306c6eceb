"""Physical values to counts, counts to what the float model sees."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from tinyops.errors import SpecError
from tinyops.features.specification import FrameFeatures

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def counts_from_values(values: NDArray[Any], full_scale: Sequence[float]) -> NDArray[np.int16]:
    """int16 counts of physical values (N, C): value / full_scale x 32768, rounded half away from zero, saturated.

    Infinity saturates; NaN raises SpecError. `full_scale` has C entries above zero, in the unit of each channel.
    """
    import numpy as np

    values = np.asarray(values, dtype=np.float64)
    scale = np.asarray(full_scale, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] != scale.size:
        raise SpecError(f"values of shape {values.shape} do not match {scale.size} channels")
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        raise SpecError(f"full_scale {list(full_scale)} must be finite and above zero")
    if np.isnan(values).any():
        row, column = np.argwhere(np.isnan(values))[0]
        raise SpecError(f"value at frame {row}, channel {column} is NaN")
    scaled = np.clip(values / scale * 32768.0, -40000.0, 40000.0)
    rounded = np.copysign(np.floor(np.abs(scaled) + 0.5), scaled)
    return np.clip(rounded, -32768, 32767).astype(np.int16)


def float_inputs(rows: NDArray[np.int16], features: FrameFeatures) -> NDArray[np.float32]:
    """What the float model sees: (value - offset) x gain, for rows of shape (..., row_values)."""
    import numpy as np

    repeat = features.row_values // len(features.offset)
    offset = np.tile(np.asarray(features.offset, dtype=np.float64), repeat)
    gain = np.tile(np.asarray(features.gain, dtype=np.float64), repeat)
    return ((rows.astype(np.float64) - offset) * gain).astype(np.float32)
