"""The form that the kernels for cores with the DSP extension read weights and factors in; see kernels/packed.h."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyops.compiler.fixed_point import Multiplier, quantise_multiplier
from tinyops.compiler.lowered import Constant
from tinyops.compiler.ops.weighted import channel_factors, folded_bias, per_channel
from tinyops.compiler.view import OperatorView, int64_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DSP_CPUS = frozenset({"cortex-m4f", "cortex-m7", "cortex-m33"})
PACKED_HEADER = "tinyops/kernels/packed.h"
STEP_VALUES = 8  # a filter is filled up to a multiple of this
MAX_SCRATCH_BYTES = 4096  # it lies on the stack
LARGEST_ACCUMULATOR = 2**30
MOST_RIGHT = 22


def packed_factors(view: OperatorView, axis: int) -> tuple[tuple[Constant, ...], int] | None:
    """bias, multiplier and right shift arrays, and the step between channels; None where a packed kernel cannot serve.

    That is on cores without the extension, and where an accumulator or a factor is out of those kernels' range.
    """
    import numpy as np

    if view.cpu not in DSP_CPUS:
        return None
    bounds = accumulator_bounds(view, axis)
    factors = [quantise_multiplier(f) for f in channel_factors(view)]
    if bounds.max() >= LARGEST_ACCUMULATOR:
        return None
    each = bounds.tolist() if len(factors) > 1 else [int(bounds.max())]
    right = [_right_shift(factor, bound) for factor, bound in zip(factors, each, strict=True)]
    if any(r is None for r in right):
        return None
    found = [r for r in right if r is not None]
    constants = (
        Constant("bias", "int32_t", folded_bias(view, axis).astype(np.int32), "bias, input zero point folded in"),
        Constant("multiplier", "int32_t", np.array([f.multiplier for f in found], np.int32), "to the output's scale"),
        Constant("shift", "int8_t", np.array([f.shift for f in found], np.int8), "to the output's scale, to the right"),
    )
    return constants, 0 if len(factors) == 1 else 1


def _right_shift(factor: Multiplier, bound: int) -> Multiplier | None:
    """The factor with its shift to the right, in the kernels' range; None when it is out of it."""
    right = -factor.shift
    if factor.multiplier == 0 or (right > 0 and bound < 2 ** (right - 1)):
        return Multiplier(0, 1)  # every accumulator becomes 0
    return Multiplier(factor.multiplier, right) if 1 <= right <= MOST_RIGHT else None


def accumulator_bounds(view: OperatorView, axis: int) -> NDArray[np.int64]:
    """Largest magnitude that each channel's partial sums can reach."""
    rows = abs(per_channel(int64_values(view.tensor(1)), axis)).sum(axis=1)
    bounds: NDArray[np.int64] = abs(folded_bias(view, axis)) + 128 * rows
    return bounds


def filled_up(count: int, step: int = STEP_VALUES) -> int:
    return -(-count // step) * step


def packed_weights(filters: NDArray[Any], group: int) -> NDArray[Any]:
    """Filters (outputs, values), int8, as words of four values, a word of each of `group` filters in turn."""
    import numpy as np

    outputs, values = filters.shape
    padded = np.zeros((filled_up(outputs, group), filled_up(values)), np.int8)
    padded[:outputs, :values] = filters
    words = padded.view("<i4").astype(np.int32)
    return np.ascontiguousarray(words.reshape(-1, group, words.shape[1]).swapaxes(1, 2)).reshape(-1)
