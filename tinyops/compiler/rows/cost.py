"""What running by rows costs, estimated: instructions and flash, beyond what the operators cost as a whole.

Fitted to counts on a Cortex-M4F; see docs/decisions/0035-rows.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tinyops.compiler.lowered import Call, Lowered
from tinyops.compiler.rows.kernels import BY_CHANNELS
from tinyops.compiler.rows.schedule import RowStep
from tinyops.compiler.rows.stretch import Stretch

PER_MAC = 1.7  # instructions of the packed kernels, all in all: cores that need more are slowed down less
PER_STRIP = 450  # of each operator: its rows, its parameters, its kernel's preparations
PER_KEPT_BYTE = 1.6  # copied aside and back
PER_LOADED_VALUE = 4.0  # of a channel's row that is looked at again
PER_CHANNEL = 120  # in each strip, of kernels that finish a channel before the next
DRIVER_BYTES = 850
STEP_BYTES = 60


@dataclass(frozen=True)
class Cost:
    instructions: float
    flash_bytes: int


def instructions_of(lowered: Sequence[Lowered]) -> float:
    """Of one inference without rows, roughly."""
    return PER_MAC * sum(low.macs for low in lowered)


def cost_of(stretch: Stretch, lowered: Sequence[Lowered]) -> Cost:
    played = stretch.played
    kept = sum(played.kept_rows.get(line.tensor, 0) * line.row_bytes for line in stretch.between)
    steps = sum(_again(stretch, step, lowered[step.operator].calls[0]) for step in stretch.steps)
    strips = PER_STRIP * played.strips * len(stretch.steps)
    return Cost(PER_KEPT_BYTE * kept + strips + steps, DRIVER_BYTES + STEP_BYTES * len(stretch.steps))


def _again(stretch: Stretch, step: RowStep, call: Call) -> float:
    """What a kernel that goes through channels loads more than once."""
    if call.function not in BY_CHANNELS:
        return 0
    window: Mapping[str, Any] = call.params["window"]  # type: ignore[assignment]
    strips = stretch.played.strips
    again = strips * max(step.geometry.reach - step.geometry.stride, 0)
    return float(window["in_c"] * (PER_LOADED_VALUE * again * window["in_w"] + PER_CHANNEL * strips))
