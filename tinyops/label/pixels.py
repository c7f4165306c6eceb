"""A frame of an image dataset as grey or coloured bytes."""

from __future__ import annotations

import numpy as np

from tinyops.errors import SpecError
from tinyops.label.signals import Shown

COLOURS = 3


def pixels(shown: Shown, frame: int, size: tuple[int, int]) -> bytes:
    """RGBA, row by row, darkest to brightest as the frame has them; three channels are red, green and blue.

    Of other numbers of channels the first is drawn in grey.
    """
    if not 0 <= frame < shown.frames:
        raise SpecError(f"has {shown.frames:,} frames, there is no frame {frame:,}")
    values = np.nan_to_num(shown.values[frame], posinf=0, neginf=0).reshape(*size, -1)
    values = values if values.shape[2] == COLOURS else np.repeat(values[:, :, :1], COLOURS, axis=2)
    low, high = float(values.min()), float(values.max())
    out = np.full((*size, 4), 255, np.uint8)
    out[:, :, :COLOURS] = np.rint((values - low) / max(high - low, 1e-12) * 255)
    return out.tobytes()
