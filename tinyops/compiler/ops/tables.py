"""Functions of one byte, computed here for all 256 inputs: LOGISTIC, and QUANTIZE between bytes.

QUANTIZE itself is registered in quantize.py, which uses `lookup` for its byte to byte cases.
"""

from __future__ import annotations

from collections.abc import Callable

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import (
    input_radius,
    logistic,
    multiply,
    quantise_multiplier,
    rounding_shift,
)
from tinyops.compiler.lowered import Call, Constant, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/lookup.c", ("tinyops/kernels/movement.h",))
LOGISTIC_INTEGER_BITS = 4


def lookup(view: OperatorView, function: Callable[[int], int], note: str) -> Lowered:
    """A 256-byte table of `function`, which maps values of the input's type to values of the output's."""
    import numpy as np

    signed = view.tensor(0).dtype == "int8"
    values = [i - 256 if signed and i > 127 else i for i in range(256)]
    table = np.array([function(v) & 0xFF for v in values], dtype=np.uint8)
    params = {"count": view.output.elements}
    arguments = (Read(view.tensor(0).index), Constant("table", "uint8_t", table, note), Write(view.output.index))
    return Lowered((Call("tinyops_lookup", "tinyops_lookup_params", params, arguments),), KERNEL)


def _bad_scale(view: OperatorView) -> str | None:
    scale = view.tensor(0).scale
    return None if 2.0**-27 < scale < 8 else f"{scale:g}"


def lower_logistic(view: OperatorView) -> Lowered:
    source = view.tensor(0)
    factor = quantise_multiplier(source.scale * (1 << (31 - LOGISTIC_INTEGER_BITS)))
    radius = input_radius(LOGISTIC_INTEGER_BITS, factor.shift)

    def function(value: int) -> int:
        centred = value - source.zero_point
        if abs(centred) >= radius:
            return 127 if centred > 0 else -128
        result = logistic(multiply(centred, factor), LOGISTIC_INTEGER_BITS)
        return min(max(rounding_shift(result, 31 - 8) - 128, -128), 127)

    return lookup(view, function, "1 / (1 + exp(-x))")


KINDS = (
    OperatorKind(
        "LOGISTIC",
        (
            c.operands(1, 1),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
            c.probabilities(),
            c.holds("the input's scale lies between 2^-27 and 8", _bad_scale),
        ),
        lower_logistic,
    ),
)
