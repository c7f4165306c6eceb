"""QUANTIZE and DEQUANTIZE: the edges of a model that talks float32, uint8, int16 or int32 to the outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import multiply, quantise_multiplier
from tinyops.compiler.lowered import Argument, Call, Constant, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.tables import lookup
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView
from tinyops.graph import DTYPES

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

HEADERS = ("tinyops/kernels/quantize.h",)
# With a floating point unit arithmetic is faster and smaller than a table of 1,020 bytes.
FLOAT_CPUS = frozenset({"cortex-m4f", "cortex-m7", "cortex-m33", "x86-64", "aarch64"})
PAIRS = {
    "float32": ("int8",),
    "uint8": ("int8",),
    "int8": ("int8", "uint8", "int16", "int32"),
    "int16": ("int8", "int16", "int32"),
    "int32": ("int8", "int16"),
}
REAL = ("int8", "uint8", "int16")  # what becomes float32
LIMITS = {"int8": (-128, 127), "uint8": (0, 255), "int16": (-(2**15), 2**15 - 1), "int32": (-(2**31), 2**31 - 1)}
INT32_EDGE = 2.0**31  # quotients from here on are not int32


def _bad_pair(view: OperatorView) -> str | None:
    source, output = view.tensor(0).dtype, view.output.dtype
    return None if output in PAIRS.get(source, ()) else f"{source} to {output}"


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


def _run(view: OperatorView, kernel: str, params: dict[str, Field], *tables: Constant) -> Lowered:
    """A call of tinyops_`kernel`, whose parameters begin with the number of values."""
    arguments: tuple[Argument, ...] = (Read(view.tensor(0).index), *tables, Write(view.output.index))
    fields: dict[str, Field] = {"count": view.output.elements, **params}
    call = Call(f"tinyops_{kernel}", f"tinyops_{kernel}_params", fields, arguments)
    return Lowered((call,), Kernel(f"kernels/{kernel}.c", HEADERS))


# -- from float32 --------------------------------------------------------------------------------


def thresholds(scale: float, zero_point: int) -> NDArray[np.uint32]:
    """Keys of the smallest float32 that quantises to -127, -126 ... 127."""
    import numpy as np

    levels = np.arange(-127, 128)
    return _smallest_keys(255, lambda values: quantised(values, scale, zero_point) >= levels)


def range_keys(scale: float) -> tuple[int, int]:
    """Keys of the smallest and the largest float32 whose quotient is within int32; all others are not rounded."""

    def beyond(values: NDArray[np.float32]) -> NDArray[np.bool_]:
        return _quotients(values, scale) >= INT32_EDGE

    largest = int(_smallest_keys(1, beyond)[0]) - 1
    return 0xFFFFFFFF - largest, largest


def _smallest_keys(count: int, reached: Callable[[NDArray[np.float32]], NDArray[np.bool_]]) -> NDArray[np.uint32]:
    """The smallest keys at which `count` conditions that grow with a float32 hold; by halving, all at once.

    A key is a float32's bits as an unsigned number that grows with it, as in quantize.c.
    """
    import numpy as np

    low = np.full(count, 0x007FFFFF, dtype=np.int64)  # minus infinity: always below
    high = np.full(count, 0xFF800000, dtype=np.int64)  # plus infinity: always reached
    while (high - low > 1).any():
        middle = (low + high) // 2
        bits = np.where(middle & 0x80000000, middle & 0x7FFFFFFF, ~middle & 0xFFFFFFFF).astype(np.uint32)
        found = reached(bits.view(np.float32))
        low, high = np.where(found, low, middle), np.where(found, middle, high)
    return high.astype(np.uint32)


def _quotients(values: NDArray[np.float32], scale: float) -> NDArray[np.float32]:
    import numpy as np

    with np.errstate(over="ignore"):
        return values / np.float32(scale)


def quantised(values: NDArray[np.float32], scale: float, zero_point: int) -> NDArray[np.int64]:
    """round(value / scale) + zero_point in the interpreter's arithmetic: a float32 quotient, halves away from zero."""
    import numpy as np

    steps = np.clip(_quotients(values, scale), np.float32(-1024), np.float32(1024))
    whole = np.trunc(steps)
    rest = steps - whole
    found: NDArray[np.int64] = (whole + (rest >= 0.5) - (rest <= -0.5)).astype(np.int64) + zero_point
    return found


def _from_real(view: OperatorView) -> Lowered:
    output = view.output
    # What is not an int32 becomes the smallest one in the interpreter, and wraps where the zero point is below 0.
    otherwise = 127 if output.zero_point < 0 else -128
    if view.cpu in FLOAT_CPUS:
        params: dict[str, Field] = {"scale": output.scale, "zero_point": output.zero_point, "otherwise": otherwise}
        return _run(view, "quantize_real", params)
    least, most = range_keys(output.scale)
    keys = Constant("thresholds", "uint32_t", thresholds(output.scale, output.zero_point), "keys, see quantize.c")
    return _run(view, "quantize", {"least": least, "span": most - least, "otherwise": otherwise}, keys)


# -- between integers ----------------------------------------------------------------------------


def lower_quantize(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    if source.dtype == "float32":
        return _from_real(view)
    factor = quantise_multiplier(source.scale / output.scale)
    low, high = LIMITS[output.dtype]
    if DTYPES[source.dtype] == DTYPES[output.dtype] == 1:

        def function(value: int) -> int:
            return min(max(multiply(value - source.zero_point, factor) + output.zero_point, low), high)

        return lookup(view, function, f"{source.dtype} to {output.dtype}")
    params: dict[str, Field] = {
        "input_zero_point": source.zero_point,
        "output_zero_point": output.zero_point,
        "multiplier": factor.multiplier,
        "shift": factor.shift,
    }
    if (source.dtype, output.dtype) == ("int16", "int8"):
        return _run(view, "requantize_int16", params)
    widths = {"input_bytes": DTYPES[source.dtype], "output_bytes": DTYPES[output.dtype], "min": low, "max": high}
    return _run(view, "requantize", {**params, **widths})


# -- to float32 ----------------------------------------------------------------------------------


def lower_dequantize(view: OperatorView) -> Lowered:
    import numpy as np

    source = view.tensor(0)
    if view.cpu in FLOAT_CPUS or source.dtype == "int16":
        # The kernel reads signed integers: a uint8 with its top bit flipped is one, 128 below.
        unsigned = source.dtype == "uint8"
        zero_point = source.zero_point - (128 if unsigned else 0)
        params: dict[str, Field] = {
            "input_bytes": DTYPES[source.dtype],
            "flip": 0x80 if unsigned else 0,
            "zero_point": zero_point,
            "scale": source.scale,
        }
        return _run(view, "dequantize_real", params)
    values = np.arange(256).astype(np.uint8).view(source.dtype).astype(np.float32) - np.float32(source.zero_point)
    table = Constant("table", "float", np.float32(source.scale) * values, "by the input's byte")
    return _run(view, "dequantize", {}, table)


_SAME_SHAPE = c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape)
_CONVERSIONS = "; ".join(f"{source} to {c.listed(outputs)}" for source, outputs in PAIRS.items())

KINDS = (
    OperatorKind(
        "QUANTIZE",
        (
            c.operands(1, 1),
            c.holds(f"it converts {_CONVERSIONS}", _bad_pair),
            c.holds("integers have one scale", _not_quantised),
            _SAME_SHAPE,
            c.holds("scales differ by a factor below 2^30", _too_large),
        ),
        lower_quantize,
    ),
    OperatorKind(
        "DEQUANTIZE",
        (c.operands(1, 1), c.quantised(0, "input", REAL), c.typed(-1, "output", ("float32",)), _SAME_SHAPE),
        lower_dequantize,
    ),
)
