"""QUANTIZE and DEQUANTIZE: the edges of a model that talks float32, uint8 or int16 to the outside."""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import multiply, quantise_multiplier
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.ops.tables import lookup
from tinyops.compiler.ops.weighted import LARGEST_FACTOR
from tinyops.compiler.view import OperatorView

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


def _run(view: OperatorView, function: str, kind: str, params: dict[str, Field]) -> Lowered:
    arguments = (Read(view.tensor(0).index), Write(view.output.index))
    return Lowered((Call(function, kind, {"count": view.output.elements, **params}, arguments),), KERNEL)


def lower_quantize(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    if source.dtype == "float32":
        params: dict[str, Field] = {"zero_point": output.zero_point, "scale": output.scale}
        return _run(view, "tinyops_quantize", "tinyops_affine_params", params)
    factor = quantise_multiplier(source.scale / output.scale)
    if source.dtype == "int16":
        params = {
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
    source = view.tensor(0)
    params: dict[str, Field] = {"zero_point": source.zero_point, "scale": source.scale}
    return _run(view, "tinyops_dequantize", "tinyops_affine_params", params)


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
