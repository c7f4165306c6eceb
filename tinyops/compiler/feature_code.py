"""Features of a compiled model: what they take in the arena, their sources, and what templates/features.j2 shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tinyops.features import Features, FrameFeatures, RawFeatures, StagedFeatures, TensorFeatures
from tinyops.features.code import front_code, front_headers, front_of, front_sources
from tinyops.graph import Tensor

WINDOW_STATE_BYTES = 16  # sizeof(tinyops_window_state)
WINDOW_HEADER = "tinyops/features/window.h"
WINDOW_FILES = ("features/window.c", f"include/{WINDOW_HEADER}")


@dataclass(frozen=True)
class FeatureMemory:
    """Bytes of features beside the window itself, which is the input tensor. Kept between inferences are the window's
    state and the front end's, in that order; `scratch` is free but for the time of a push."""

    window: int = 0
    front: int = 0
    scratch: int = 0

    @property
    def kept(self) -> int:
        return self.window + self.front


def used_bytes(features: FrameFeatures) -> int:
    """Of a window: its first rows, which are not in the next, so that the model may write over them."""
    return min(features.hop_rows, features.rows) * features.row_values


def feature_memory(features: Features) -> FeatureMemory:
    if isinstance(features, TensorFeatures):
        return FeatureMemory()
    if isinstance(features, RawFeatures):
        return FeatureMemory(WINDOW_STATE_BYTES)
    front = front_of(features)
    return FeatureMemory(WINDOW_STATE_BYTES, front.state_bytes, front.scratch_bytes)


def feature_files(features: Features) -> tuple[str, ...]:
    """Hand-written sources and headers, below runtime/."""
    if isinstance(features, StagedFeatures):
        headers = (f"include/{header}" for header in front_headers(features))
        return (*WINDOW_FILES, *front_sources(features), *headers)
    return () if isinstance(features, TensorFeatures) else WINDOW_FILES


def feature_headers(features: Features) -> tuple[str, ...]:
    """Hand-written headers that model.c includes."""
    return () if isinstance(features, TensorFeatures) else (WINDOW_HEADER,)


def generated_files(features: Features) -> dict[str, str]:
    """Files beside model.c, by name."""
    return front_code(features) if isinstance(features, StagedFeatures) else {}


def feature_values(features: Features, tensor: Tensor, state: int, scratch: int) -> dict[str, Any] | None:
    """What the template needs; None for a model that takes tensors only. `state` and `scratch` are offsets."""
    if isinstance(features, TensorFeatures):
        return None
    staged = isinstance(features, StagedFeatures)
    return {
        "params": {
            "row_values": features.row_values,
            "rows": features.rows,
            "window_frames": features.window_frames,
            "hop_frames": features.hop_frames,
            "channels": len(features.offset),
            "zero_point": tensor.zero_point,
        },
        "channels": features.channels(tensor.scale),
        "state": state,
        "turns": features.rows > 1,
        "front": state + WINDOW_STATE_BYTES if staged else None,
        "scratch": scratch,
        "frame_samples": features.frame_samples if isinstance(features, StagedFeatures) else 1,
    }
