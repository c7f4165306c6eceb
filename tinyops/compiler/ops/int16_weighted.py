"""CONV_2D, DEPTHWISE_CONV_2D and FULLY_CONNECTED of int16 activations and int8 weights.

The interpreter sums in 64 bits. Here the weights tell whether 32 are enough for every input, which they nearly always
are; a layer where they are not takes a kernel of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from tinyops.compiler import constraints as c
from tinyops.compiler.constraints import Constraint
from tinyops.compiler.fixed_point import reduce_multiplier
from tinyops.compiler.lowered import Argument, Call, Constant, Expression, Field, Kernel, Lowered, Read, Scratch, Write
from tinyops.compiler.ops import conv_2d, depthwise_conv_2d, fully_connected
from tinyops.compiler.ops.int16 import activation_range_int16, wide
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.packed import DSP_CPUS, MAX_SCRATCH_BYTES, PACKED_HEADER, filled_up
from tinyops.compiler.ops.weighted import WINDOW_HEADER, channel_factors, factors_fit, per_channel, window
from tinyops.compiler.view import OperatorView, int64_values

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

WIDE_HEADERS = ("tinyops/kernels/wide.h", PACKED_HEADER)
CONV_HEADERS = ("tinyops/kernels/conv_2d_int16.h", "tinyops/kernels/gather_int16.h", WINDOW_HEADER, *WIDE_HEADERS)
CONV_KERNEL = Kernel("kernels/conv_2d_int16.c", CONV_HEADERS, reads_flash=True)
PACKED_KERNEL = Kernel("kernels/conv_2d_int16_packed.c", ("tinyops/kernels/conv_2d_int16_packed.h", *CONV_HEADERS))
DEPTHWISE_KERNEL = Kernel(
    "kernels/depthwise_int16.c", ("tinyops/kernels/depthwise_int16.h", WINDOW_HEADER, *WIDE_HEADERS), reads_flash=True
)
SUMS_KERNEL = Kernel("kernels/wide_sums.c", ("tinyops/kernels/wide_sums.h", WINDOW_HEADER), reads_flash=True)

GROUP, STEP = 4, 2  # filters that lie together, and values of a step
PACKED_GROUP, PACKED_STEP = 2, 4
LARGEST_SUM = 2**31  # of the kernels of 32 bits
SHORT_SHIFT = 17  # the least that they shift a product
LARGEST_PRODUCT = 2**47  # what the interpreter scales at most
LARGEST_SHIFT, LEAST_SHIFT = 46, 8


@dataclass(frozen=True)
class Filters:
    """`rows` (outputs, values) and `bias` (outputs) int64; `multipliers`, and `shifts` of the products with them, of
    each filter or of all."""

    rows: NDArray[np.int64]
    bias: NDArray[np.int64]
    multipliers: NDArray[np.int64]
    shifts: NDArray[np.int64]

    @property
    def step(self) -> int:
        return 0 if self.multipliers.size == 1 else 1

    @property
    def largest(self) -> int:
        """What no part of any sum can exceed in magnitude; a bias alone may have all of 64 bits."""
        biases: list[int] = self.bias.tolist()  # of Python: a sum of numpy's would go round
        reach: list[int] = (2**15 * abs(self.rows).sum(axis=1)).tolist()
        return max(abs(bias) + weights for bias, weights in zip(biases, reach, strict=True))

    @property
    def short(self) -> bool:
        """Whether the kernels of 32 bits serve."""
        return self.largest < LARGEST_SUM and int(self.shifts.min()) >= SHORT_SHIFT

    def scaling(self, less: int = 0) -> tuple[Constant, Constant]:
        import numpy as np

        return (
            Constant("multiplier", "int16_t", self.multipliers.astype(np.int16), "to the output's scale"),
            Constant("shift", "int8_t", (self.shifts - less).astype(np.int8), "to the output's scale, to the right"),
        )


def filters_of(view: OperatorView, axis: int) -> Filters:
    """A layer's filters; those whose output is the same for every input become zeros.

    Converters leave such filters with absurd scales, and biases of more than 32 bits.
    """
    import numpy as np

    rows = per_channel(int64_values(view.tensor(1)), axis)
    given = view.input(2)
    bias = np.zeros(len(rows), np.int64) if given is None else int64_values(given).reshape(-1).copy()
    factors = [reduce_multiplier(f) for f in channel_factors(view)]
    if len(factors) == len(rows) > 1:
        for channel, (multiplier, shift) in enumerate(factors):
            value = _constant_output(rows[channel], int(bias[channel]), multiplier, shift)
            if value is not None:
                rows[channel], bias[channel], factors[channel] = 0, value << 3, (1 << 14, SHORT_SHIFT)
    multipliers, shifts = (np.array(values, np.int64) for values in zip(*factors, strict=True))
    return Filters(rows, bias, multipliers, shifts)


def _constant_output(weights: NDArray[np.int64], bias: int, multiplier: int, shift: int) -> int | None:
    """The output, within 17 bits, where no int16 input changes it."""
    if shift < LEAST_SHIFT:
        return None
    reach = 2**15 * int(abs(weights).sum())
    low, high = ((bias + sign * reach) * multiplier + (1 << (shift - 1)) >> shift for sign in (-1, 1))
    limit = 2**16
    if low == high:
        return min(max(low, -limit), limit)
    return limit if low >= limit else -limit if high <= -limit else None


# -- limits --------------------------------------------------------------------------------------


def _bias(channels: Callable[[OperatorView], int]) -> Constraint:
    def check(view: OperatorView) -> str | None:
        found = view.input(2)
        if found is None:
            return None
        if found.dtype != "int64" or found.data is None:
            return f"{found} is {c.describe(found)}" + (" and computed" if found.data is None else "")
        return None if found.elements == channels(view) else f"{found} has {found.elements} values"

    return Constraint(
        "the bias is an int64 constant with one value for each output channel",
        check,
        "convert with biases of int64, which is the converter's default for int16 activations",
    )


def _beyond(axis: int, view: OperatorView) -> str | None:
    """What the interpreter itself cannot scale."""
    found = filters_of(view, axis)
    if found.largest >= LARGEST_PRODUCT:
        return f"up to {found.largest:,}"
    for bias, row, multiplier, shift in zip(*_each(found), strict=True):
        if not LEAST_SHIFT <= shift <= LARGEST_SHIFT:
            return f"a factor of {math.ldexp(multiplier, -shift):g}"
        largest = (abs(bias) + 2**15 * row) * multiplier + (1 << (shift - 1)) >> shift
        if largest >= 2**31:
            return f"an output of {largest:,}"
    return None


def _each(found: Filters) -> tuple[list[int], list[int], list[int], list[int]]:
    """Of each filter: bias, sum of its weights' magnitudes, multiplier, shift."""
    import numpy as np

    outputs = len(found.bias)
    both = (np.broadcast_to(found.multipliers, outputs), np.broadcast_to(found.shifts, outputs))
    return found.bias.tolist(), abs(found.rows).sum(axis=1).tolist(), both[0].tolist(), both[1].tolist()


def _limits(shape: tuple[Constraint, ...], axis: int) -> tuple[Constraint, ...]:
    return (
        c.operands(2, 3),
        wide(0, "input"),
        wide(-1, "output"),
        c.constant(1, "weights", ("int8",)),
        *shape,
        c.symmetric_weights(axis),
        _bias(lambda view: view.tensor(1).shape[axis]),
        c.activation(),
        factors_fit(),
        c.holds("sums stay below 2^47, and scaled sums within 32 bits, for every input", partial(_beyond, axis)),
    )


# -- lowering ------------------------------------------------------------------------------------


def _filled(rows: NDArray[np.int64], group: int, step: int) -> NDArray[Any]:
    """Filters (outputs, values) as int8 (groups, filters, values), filled up with zeros."""
    import numpy as np

    outputs, values = rows.shape
    padded = np.zeros((filled_up(outputs, group), filled_up(values, step)), np.int8)
    padded[:outputs, :values] = rows
    return padded.reshape(-1, group, padded.shape[1])


def grouped(rows: NDArray[np.int64]) -> NDArray[Any]:
    """As tinyops_conv_2d_int16 reads them: by fours of filters, of each value a byte of every filter, 128 added."""
    found: NDArray[Any] = _filled(rows, GROUP, STEP).transpose(0, 2, 1).reshape(-1).astype("int16") + 128
    return found.astype("uint8")


def paired(rows: NDArray[np.int64]) -> NDArray[Any]:
    """As tinyops_conv_2d_int16_packed reads them: by pairs of filters, of each four values 0, 2, 1 and 3."""
    filled = _filled(rows, PACKED_GROUP, PACKED_STEP)
    steps = filled.reshape(len(filled), PACKED_GROUP, -1, PACKED_STEP)[..., [0, 2, 1, 3]]
    return steps.transpose(0, 2, 1, 3).reshape(-1).copy()


def _bias32(found: Filters) -> Constant:
    return Constant("bias", "int32_t", found.bias.astype("int32"), "bias")


@dataclass(frozen=True)
class Task:
    """A convolution, or a dense layer as one of pixels: `values` are in a filter, `depth` channels are read by it."""

    view: OperatorView
    filters: Filters
    geometry: dict[str, int]
    values: int
    depth: int

    @property
    def macs(self) -> int:
        return self.view.output.elements * self.values


def _params(task: Task, step: int) -> tuple[dict[str, Field], bool]:
    """Fields of tinyops_conv_2d_int16_params, and whether it is pointwise."""
    g, filled = task.geometry, filled_up(task.values, step)
    low, high = activation_range_int16(task.view.options.activation, task.view.output)
    pointwise = task.values == filled == g["in_c"] and _never_outside(g)
    limits: dict[str, Field] = {"min": low, "max": high, "channel_step": task.filters.step}
    return {"window": g, "filter_values": filled, "pointwise": int(pointwise), **limits}, pointwise


def _call(task: Task, name: str, params: dict[str, Field], weights: Constant, scratch: Argument) -> Call:
    arguments = (
        *(Read(task.view.tensor(0).index), weights, _bias32(task.filters), *task.filters.scaling(SHORT_SHIFT)),
        *(Write(task.view.output.index), scratch),
    )
    return Call(name, "tinyops_conv_2d_int16_params", params, arguments)


def _plain(task: Task) -> Lowered:
    params, pointwise = _params(task, STEP)
    note = f"weights {task.view.tensor(1).shape}, by fours of filters, 128 added"
    weights = Constant("weights", "uint8_t", grouped(task.filters.rows), note)
    scratch: Argument = Expression("0") if pointwise else Scratch("int16_t", filled_up(task.values, STEP))
    return Lowered((_call(task, "tinyops_conv_2d_int16", params, weights, scratch),), CONV_KERNEL, task.macs)


def _packed(task: Task) -> Lowered | None:
    """With the kernel for cores that multiply two values at a time, where it can serve."""
    params, pointwise = _params(task, PACKED_STEP)
    scratch = Scratch("int16_t", (2 if pointwise else 3) * filled_up(task.values, PACKED_STEP))
    if task.view.cpu not in DSP_CPUS or not task.filters.short or scratch.bytes > MAX_SCRATCH_BYTES:
        return None
    note = f"weights {task.view.tensor(1).shape}, by pairs of filters"
    weights = Constant("weights", "int8_t", paired(task.filters.rows), note)
    return Lowered((_call(task, "tinyops_conv_2d_int16_packed", params, weights, scratch),), PACKED_KERNEL, task.macs)


def _never_outside(g: dict[str, int]) -> bool:
    ends = ((g["out_h"] - 1) * g["stride_h"] < g["in_h"], (g["out_w"] - 1) * g["stride_w"] < g["in_w"])
    one_tap = g["kernel_h"] == g["kernel_w"] == 1
    return one_tap and g["pad_top"] == g["pad_left"] == 0 and all(ends)


def _sums(view: OperatorView, filters: Filters, geometry: dict[str, int], depth: int, sharing: int) -> Lowered:
    """With sums of 64 bits."""
    import numpy as np

    low, high = activation_range_int16(view.options.activation, view.output)
    params: dict[str, Field] = {
        "window": geometry,
        "depth": depth,
        "sharing": sharing,
        "min": low,
        "max": high,
        "channel_step": filters.step,
    }
    arguments: tuple[Argument, ...] = (
        Read(view.tensor(0).index),
        Constant("weights", "int8_t", filters.rows.astype(np.int8).reshape(-1), f"weights {view.tensor(1).shape}"),
        Constant("bias_high", "int32_t", (filters.bias >> 32).astype(np.int32), "bias, upper half"),
        Constant("bias_low", "uint32_t", (filters.bias & 0xFFFFFFFF).astype(np.uint32), "bias, lower half"),
        *filters.scaling(),
        Write(view.output.index),
    )
    call = Call("tinyops_wide_sums", "tinyops_wide_sums_params", params, arguments)
    return Lowered((call,), SUMS_KERNEL, view.output.elements * filters.rows.shape[1])


def _conv_task(view: OperatorView) -> Task:
    weights = view.tensor(1).shape
    geometry = window(view, (weights[1], weights[2]))
    return Task(view, filters_of(view, 0), geometry, math.prod(weights[1:]), weights[3])


def _dense_task(view: OperatorView) -> Task:
    """Rows are pixels of a line."""
    outputs, inputs = view.tensor(1).shape
    rows = view.output.elements // outputs
    extents = {"in_h": 1, "in_w": rows, "in_c": inputs, "out_h": 1, "out_w": rows, "out_c": outputs}
    ones = ("kernel_h", "kernel_w", "stride_h", "stride_w", "dilation_h", "dilation_w")
    geometry = {**extents, **dict.fromkeys(ones, 1), "pad_top": 0, "pad_left": 0}
    return Task(view, filters_of(view, 0), geometry, inputs, inputs)


def _lower(task_of: Callable[[OperatorView], Task], view: OperatorView) -> Lowered:
    task = task_of(view)
    if task.filters.short:
        return _plain(task)
    return _sums(view, task.filters, task.geometry, task.depth, task.geometry["out_c"])


def _variant(task_of: Callable[[OperatorView], Task], view: OperatorView) -> Lowered | None:
    return _packed(task_of(view))


def _depthwise(view: OperatorView) -> Lowered:
    weights, filters = view.tensor(1).shape, filters_of(view, 3)
    geometry = window(view, (weights[1], weights[2]))
    multiplier = weights[3] // view.tensor(0).shape[3]
    if not filters.short:
        return _sums(view, filters, geometry, 1, multiplier)
    low, high = activation_range_int16(view.options.activation, view.output)
    params: dict[str, Field] = {
        "window": geometry,
        "depth_multiplier": multiplier,
        "min": low,
        "max": high,
        "channel_step": filters.step,
    }
    stored = Constant("weights", "int8_t", filters.rows.T.astype("int8").reshape(-1), f"weights {weights}")
    arguments: tuple[Argument, ...] = (
        *(Read(view.tensor(0).index), stored, _bias32(filters), *filters.scaling(SHORT_SHIFT)),
        Write(view.output.index),
    )
    call = Call("tinyops_depthwise_int16", "tinyops_depthwise_int16_params", params, arguments)
    return Lowered((call,), DEPTHWISE_KERNEL, view.output.elements * filters.rows.shape[1])


_IMAGES = (c.ranks(4, 4), c.one_image())


def _kind(name: str, limits: tuple[Constraint, ...], task_of: Callable[[OperatorView], Task]) -> OperatorKind:
    return OperatorKind(name, _limits(limits, 0), partial(_lower, task_of), (partial(_variant, task_of),))


KINDS = (
    _kind("CONV_2D", (*_IMAGES, conv_2d.SHAPES), _conv_task),
    OperatorKind("DEPTHWISE_CONV_2D", _limits((*_IMAGES, depthwise_conv_2d.SHAPES), 3), _depthwise),
    _kind("FULLY_CONNECTED", fully_connected.SHAPES, _dense_task),
)
