"""The form that the kernels for cores with the DSP extension read weights and factors in; see kernels/packed.h."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.compiler.fixed_point import Multiplier, multiply, quantise_multiplier
from tinyops.compiler.lowered import Constant
from tinyops.compiler.ops.weighted import channel_factors, folded_bias, per_channel
from tinyops.compiler.view import OperatorView, int64_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

DSP_CPUS = frozenset({"cortex-m4f", "cortex-m7", "cortex-m33"})
PACKED_HEADER = "tinyops/kernels/packed.h"
FOUR_ROWS_HEADERS = ("tinyops/kernels/four_rows.h", PACKED_HEADER)
STEP_VALUES = 8  # a filter is filled up to a multiple of this
MAX_SCRATCH_BYTES = 4096  # of the arena
LARGEST_ACCUMULATOR = 2**30
MOST_RIGHT = 22


@dataclass(frozen=True)
class Packed:
    """Filters (outputs, values) int8, bias (outputs) int32; multipliers int32 and right shifts int8, of each or all."""

    filters: NDArray[Any]
    bias: NDArray[Any]
    multipliers: NDArray[Any]
    shifts: NDArray[Any]

    @property
    def constants(self) -> tuple[Constant, ...]:
        return (
            Constant("bias", "int32_t", self.bias, "bias, input zero point folded in"),
            Constant("multiplier", "int32_t", self.multipliers, "to the output's scale"),
            Constant("shift", "int8_t", self.shifts, "to the output's scale, to the right"),
        )

    @property
    def step(self) -> int:
        """Between the multipliers and shifts of two channels."""
        return 0 if self.multipliers.size == 1 else 1


def packed(view: OperatorView, axis: int) -> Packed | None:
    """What a packed kernel reads; None on cores without the extension, and where it is out of those kernels' range."""
    return small_factors(view, axis, LARGEST_ACCUMULATOR) if view.cpu in DSP_CPUS else None


def small_factors(view: OperatorView, axis: int, largest_accumulator: int) -> Packed | None:
    """Filters and factors as shifts to the right; None where an accumulator or a factor is out of range.

    Channels whose output is the same for every input, which converters leave with absurd scales, become zeros.
    """
    import numpy as np

    filters = per_channel(int64_values(view.tensor(1)), axis)
    bias = folded_bias(view, axis)
    given = [quantise_multiplier(f) for f in channel_factors(view)]
    factors = [Multiplier(f.multiplier, -f.shift) if f.multiplier else Multiplier(0, 1) for f in given]
    if len(factors) > 1:
        for channel, factor in enumerate(given):
            constant = _constant_output(filters[channel], int(bias[channel]), factor)
            if constant is not None:
                filters[channel], bias[channel], factors[channel] = 0, 4 * constant, Multiplier(1 << 30, 1)
    largest = (abs(bias) + 128 * abs(filters).sum(axis=1)).max()
    if largest >= largest_accumulator or not all(1 <= f.shift <= MOST_RIGHT for f in factors):
        return None
    multipliers = np.array([f.multiplier for f in factors], np.int32)
    shifts = np.array([f.shift for f in factors], np.int8)
    return Packed(filters.astype(np.int8), bias.astype(np.int32), multipliers, shifts)


def _constant_output(weights: NDArray[np.int64], bias: int, factor: Multiplier) -> int | None:
    """The output before the zero point, within -255..255, where no int8 input changes it."""
    low = bias + int((weights * 127).clip(max=0).sum() + (weights * -128).clip(max=0).sum())
    high = bias + int((weights * 127).clip(min=0).sum() + (weights * -128).clip(min=0).sum())
    least, most = (min(max(multiply(acc, factor), -255), 255) for acc in (low, high))
    return least if least == most else None


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


def filter_pairs(packed: Packed) -> NDArray[Any]:
    """The words that tinyops_conv_2d_packed reads: biases, filters, multipliers and shifts of two filters at a time."""
    import numpy as np

    constants = pair_constants(packed)
    filters = packed_weights(packed.filters, 2).reshape(len(constants), -1)
    return np.concatenate([constants[:, :2], filters, constants[:, 2:]], axis=1).reshape(-1)


def pair_constants(packed: Packed) -> NDArray[Any]:
    """Of each pair of filters (pairs, 5): two biases, two multipliers, and both shifts in a word."""
    import numpy as np

    outputs = len(packed.bias)
    pairs = -(-outputs // 2)

    def of_pairs(values: NDArray[Any], fill: int) -> NDArray[Any]:
        each = np.broadcast_to(values.astype(np.int32), outputs)
        return np.concatenate([each, np.full(2 * pairs - outputs, fill, np.int32)]).reshape(pairs, 2)

    shifts = of_pairs(packed.shifts, 1)
    words = (shifts[:, 0] | shifts[:, 1] << 8).reshape(pairs, 1)
    return np.concatenate([of_pairs(packed.bias, 0), of_pairs(packed.multipliers, 0), words], axis=1)
