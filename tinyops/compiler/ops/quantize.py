"""QUANTIZE and DEQUANTIZE: the edges of a model that talks float32, uint8 or int16 to the outside."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import multiply, quantise_multiplier
from tinyops.compiler.lowered import Argument, Call, Constant, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.tables import lookup
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

KERNEL = Kernel("kernels/quantize.c", ("tinyops/kernels/quantize.h",))
PAIRS = (("float32", "int8"), ("int16", "int8"), ("uint8", "int8"), ("int8", "int8"), ("int8", "uint8"))
LIMITS = {"int8": (-128, 127), "uint8": (0, 255)}


def _bad_pair(view: OperatorView) -> str | None:
    pair = (view.tensor(0).dtype, view.output.dtype)
    return None if pair in PAIRS else f"{pair[0]} to {pair[1]}"


def _not_quantised(view: OperatorView) -> str | None:
    for tensor in (view.tensor(0), view.output):
        if tensor.dtype != "float32" and (tensor.quantisation is None or tensor.quantisation.per_channel):
            return f"{tensor}"
    return None


def _too_large(view: OperatorView) -> str | None:
    if view.tensor(0).dtype == "float32":
        return None
    factor = view.tensor(0).scale / view.output.scale
    return None if factor < LARGEST_FACTOR else f"a factor of {factor:g}"


def _run(view: OperatorView, function: str, kind: str, params: dict[str, Field], *tables: Constant) -> Lowered:
    arguments: tuple[Argument, ...] = (Read(view.tensor(0).index), *tables, Write(view.output.index))
    return Lowered((Call(function, kind, {"count": view.output.elements, **params}, arguments),), KERNEL)


def thresholds(scale: float, zero_point: int) -> NDArray[np.uint32]:
    """Keys of the smallest float32 that quantises to -127, -126 ... 127: found by halving, all at once.

    A key is a float32's bits as an unsigned number that grows with it, as in quantize.c.
    """
    import numpy as np

    levels = np.arange(-127, 128)
    low = np.full(255, 0x007FFFFF, dtype=np.int64)  # minus infinity: always below
    high = np.full(255, 0xFF800000, dtype=np.int64)  # plus infinity: always reached
    while (high - low > 1).any():
        middle = (low + high) // 2
        bits = np.where(middle & 0x80000000, middle & 0x7FFFFFFF, ~middle & 0xFFFFFFFF).astype(np.uint32)
        reached = quantised(bits.view(np.float32), scale, zero_point) >= levels
        low, high = np.where(reached, low, middle), np.where(reached, middle, high)
    return high.astype(np.uint32)


def quantised(values: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int64]:
    """round(value / scale) + zero_point in the interpreter's arithmetic: a float32 quotient, halves away from zero."""
    import numpy as np

    with np.errstate(over="ignore"):
        steps = np.clip(values / np.float32(scale), np.float32(-1024), np.float32(1024))
    whole = np.trunc(steps)
    rest = steps - whole
    found: NDArray[np.int64] = (whole + (rest >= 0.5) - (rest <= -0.5)).astype(np.int64) + zero_point
    return found


def lower_quantize(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    if source.dtype == "float32":
        keys = Constant("thresholds", "uint32_t", thresholds(output.scale, output.zero_point), "keys, see quantize.c")
        return _run(view, "tinyops_quantize", "tinyops_edge_params", {}, keys)
    factor = quantise_multiplier(source.scale / output.scale)
    if source.dtype == "int16":
        params: dict[str, Field] = {
            "input_zero_point": source.zero_point,
            "output_zero_point": output.zero_point,
            "multiplier": factor.multiplier,
            "shift": factor.shift,
        }
        return _run(view, "tinyops_requantize_int16", "tinyops_requantize_params", params)
    low, high = LIMITS[output.dtype]

    def function(value: int) -> int:
        return min(max(multiply(value - source.zero_point, factor) + output.zero_point, low), high)

    return lookup(view, function, f"{source.dtype} to {output.dtype}")


def lower_dequantize(view: OperatorView) -> Lowered:
    import numpy as np

    source = view.tensor(0)
    values = np.arange(256).astype(np.uint8).view(np.int8).astype(np.float32) - np.float32(source.zero_point)
    table = Constant("table", "float", np.float32(source.scale) * values, "by the input's byte")
    return _run(view, "tinyops_dequantize", "tinyops_edge_params", {}, table)


_SAME_SHAPE = c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape)

KINDS = (
    OperatorKind(
        "QUANTIZE",
        (
            c.operands(1, 1),
            c.holds(f"it converts {', '.join(f'{a} to {b}' for a, b in PAIRS)}", _bad_pair),
            c.holds("integers have one scale", _not_quantised),
            _SAME_SHAPE,
            c.holds("scales differ by a factor below 2^30", _too_large),
        ),
        lower_quantize,
    ),
    OperatorKind(
        "DEQUANTIZE",
        (c.operands(1, 1), c.quantised(0, "input"), c.typed(-1, "output", ("float32",)), _SAME_SHAPE),
        lower_dequantize,
    ),
)
