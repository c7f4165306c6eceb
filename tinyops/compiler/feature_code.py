"""Features of a compiled model: what they keep in the arena, their sources, and what templates/features.j2 shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinyops.features import Features, RawFeatures, TensorFeatures
from tinyops.graph import Tensor

WINDOW_STATE_BYTES = 16  # sizeof(tinyops_window_state)
WINDOW_HEADER = "tinyops/features/window.h"
WINDOW_FILES = ("features/window.c", f"include/{WINDOW_HEADER}")


@dataclass(frozen=True)
class FeatureMemory:
    """Bytes of what features keep between inferences: the window's state, then its ring."""

    state: int = 0
    ring: int = 0

    @property
    def kept(self) -> int:
        return self.state + self.ring


def ring_is_input(features: Features) -> bool:
    """A window of one frame needs no ring: the frame is the input tensor, until the model has run."""
    return isinstance(features, RawFeatures) and features.window_frames == 1


def feature_memory(features: Features) -> FeatureMemory:
    if isinstance(features, TensorFeatures):
        return FeatureMemory()
    return FeatureMemory(WINDOW_STATE_BYTES, 0 if ring_is_input(features) else features.window_values)


def feature_files(features: Features) -> tuple[str, ...]:
    """Hand-written sources and headers, below runtime/."""
    return () if isinstance(features, TensorFeatures) else WINDOW_FILES


def feature_headers(features: Features) -> tuple[str, ...]:
    """What model.c includes."""
    return () if isinstance(features, TensorFeatures) else (WINDOW_HEADER,)


def feature_values(features: Features, tensor: Tensor, state: int, ring: int) -> dict[str, Any] | None:
    """What the template needs; None for a model that takes tensors only. `state` and `ring` are offsets."""
    if isinstance(features, TensorFeatures):
        return None
    return {
        "params": {
            "row_values": features.frame_values,
            "rows": features.window_frames,
            "window_frames": features.window_frames,
            "hop_frames": features.hop_frames,
            "channels": len(features.offset),
            "zero_point": tensor.zero_point,
        },
        "channels": features.channels(tensor.scale),
        "state": state,
        "ring": ring,
        "ring_is_input": ring_is_input(features),
    }
