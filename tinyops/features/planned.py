"""Features as the settings of steps name them, before anything is known of the data."""

from __future__ import annotations

from dataclasses import replace

from tinyops.features.specification import FrameFeatures, RawFeatures, StagedFeatures
from tinyops.features.stage_json import parse_stages
from tinyops.files import JsonObject


def planned_features(given: JsonObject, signal: JsonObject) -> FrameFeatures:
    """Features of a step's `input` settings and a dataset's signal, with offset 0 and gain 1 for every channel.

    Raises SpecError for stages that cannot be.
    """
    channels, frame_samples = len(signal["channels"]), int(given.get("frame_samples", 1))
    frames = {name: int(given[name]) for name in ("window_frames", "hop_frames")}
    if given["features"] == "raw":
        height, width = signal.get("size") or (1, 1)
        values = channels * int(height) * int(width) * frame_samples
        return RawFeatures(values, **frames, offset=(0,) * channels, gain=(1.0,) * channels)
    rate_hz = float(signal["rate_hz"])
    stages = parse_stages(given["features"], rate_hz, "input.features")
    planned = StagedFeatures(rate_hz, channels, frame_samples, **frames, stages=stages, offset=(), gain=())
    return replace(planned, offset=(0,) * planned.row_values, gain=(1.0,) * planned.row_values)


def input_shape(features: FrameFeatures, signal: JsonObject) -> tuple[int, ...]:
    """A model's input without the batch: [rows, values] of a stream, [height, width, channels] of an image.

    Rows of raw features are samples here, whatever a frame holds.
    """
    if isinstance(features, StagedFeatures):
        return features.shape
    channels = len(signal["channels"])
    if signal.get("size") is None:
        return (features.window_values // channels, channels)
    height, width = signal["size"]
    return (int(height), int(width), channels)
