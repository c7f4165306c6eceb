"""Targets of a fleet without its specs."""

from __future__ import annotations

from tinyops.specs.board_binding import BoardBinding, StreamSensor
from tinyops.specs.targets import Target


def target(fleet: str, board: str, model: str) -> Target:
    """A board that runs the plain variant of a model on frames that its host sends."""
    step = f"squeeze:{model}/int8"
    binding = BoardBinding(sensor=StreamSensor(kind="stream"))
    return Target(fleet, board, board, binding, model, step, step, f"{model}/{board}")
