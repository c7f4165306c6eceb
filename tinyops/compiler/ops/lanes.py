"""The form that the kernels for cores without the DSP extension read weights and factors in; see kernels/lanes.h.

How many products fit a block is decided here, filter by filter, from the weights: a lane holds 16 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tinyops.compiler.lowered import Constant
from tinyops.compiler.ops.packed import PACKED_HEADER, Packed, filled_up, small_factors
from tinyops.compiler.view import OperatorView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

V6M_CPUS = frozenset({"cortex-m0", "cortex-m0plus"})
LANES_HEADERS = ("tinyops/kernels/lanes.h", PACKED_HEADER)
LARGEST_ACCUMULATOR = 2**29  # of the requantisation from pieces of 16 bits
SMALL_ACCUMULATOR = 2**20  # of the one from pieces of 10 and 11 bits
BLOCKS = (2, 4, 8, 16)  # products between two extractions
GROUP = 8  # filters that lie together
MAX_FILLED_BYTES = 2048  # zeros that make whole groups
LARGEST_SUM = 2**15 - 1  # in magnitude: the lower lane's sign is added to the upper lane


def lanes(view: OperatorView, axis: int, largest_accumulator: int = LARGEST_ACCUMULATOR) -> Packed | None:
    """Filters, biases and factors that a kernel with lanes can serve; None on other cores, and out of its range."""
    return small_factors(view, axis, largest_accumulator) if view.cpu in V6M_CPUS else None


def lane_holds(blocks: NDArray[Any]) -> bool:
    """Whether no int8 activations make a sum over the last axis of `blocks` (int8 weights) leave its lane."""
    import numpy as np

    positive, negative = np.clip(blocks.astype(np.int64), 0, None), np.clip(blocks.astype(np.int64), None, 0)
    most = (127 * positive - 128 * negative).sum(axis=-1).max(initial=0)
    least = (127 * negative - 128 * positive).sum(axis=-1).min(initial=0)
    return bool(max(most, -least) <= LARGEST_SUM)


def block_code(weights: NDArray[Any]) -> int | None:
    """Of one filter (values,) int8: 0 when all are zero, else 1 + the index of the largest block that its lanes hold.

    Blocks divide the number of values. None where not even two products fit, which two weights of -128 make.
    """
    if not weights.any():
        return 0
    codes = (n + 1 for n, block in reversed(list(enumerate(BLOCKS))) if len(weights) % block == 0)
    return next((c for c in codes if lane_holds(weights.reshape(-1, BLOCKS[c - 1]))), None)


def block_codes(filters: NDArray[Any]) -> list[int] | None:
    """Of each filter; None where one has none."""
    codes = [code for code in map(block_code, filters) if code is not None]
    return codes if len(codes) == len(filters) else None


def window_codes(filters: NDArray[Any]) -> list[int] | None:
    """Of each channel of a 3x3 filter (channels, 9): 1 where a lane holds all products, 2 a column's, 3 any two.

    None where a lane does not even hold two.
    """
    codes = []
    for weights in filters:
        fits = (lane_holds(weights), lane_holds(weights.reshape(3, 3).T), weights.min() > -128)
        if not any(fits):
            return None
        codes.append(1 + fits.index(True))
    return codes


def filled_filters(filters: NDArray[Any], values: int) -> NDArray[Any]:
    """Filters (outputs, at most `values`) with zeros at their ends."""
    import numpy as np

    return np.pad(filters, ((0, 0), (0, values - filters.shape[1])))


def filter_groups(filters: NDArray[Any]) -> NDArray[np.int8]:
    """Filters (outputs, values) int8 as groups of eight: of each value one int8 of every filter, zeros to fill up."""
    import numpy as np

    outputs, values = filters.shape
    padded = np.zeros((filled_up(outputs, GROUP), values), np.int8)
    padded[:outputs] = filters
    return np.ascontiguousarray(padded.reshape(-1, GROUP, values).swapaxes(1, 2)).reshape(-1)


def output_eights(weights: NDArray[Any]) -> NDArray[Any]:
    """A dense layer's weights (outputs, inputs) int8 as words: of each input two words of four outputs', 128 added."""
    import numpy as np

    above_zero = (filter_groups(weights).astype(np.int16) + 128).astype(np.uint8)
    return above_zero.view("<i4").astype(np.int32)


def filter_constants(found: Packed, codes: list[int]) -> tuple[Constant, Constant]:
    """Bias and multiplier of each filter side by side, and right shift x 8 + block code."""
    import numpy as np

    outputs = len(found.bias)
    both = np.stack([found.bias, np.broadcast_to(found.multipliers, outputs)], axis=1).astype(np.int32)
    shifts = np.broadcast_to(found.shifts, outputs).astype(np.uint8) * 8 + np.array(codes, np.uint8)
    return (
        Constant("constants", "int32_t", both.reshape(-1), "bias, input zero point folded in, and multiplier"),
        Constant("shift", "uint8_t", shifts.astype(np.uint8), "to the right, times 8, and the block's code"),
    )
