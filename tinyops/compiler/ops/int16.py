"""What operators of int16 activations share: 16x8 quantisation, symmetric around 0."""

from __future__ import annotations

from tinyops.compiler.constraints import Constraint, describe
from tinyops.compiler.fixed_point import float32, round_half_away
from tinyops.compiler.view import OperatorView
from tinyops.graph import Tensor

LEAST, MOST = -(2**15), 2**15 - 1


def wide(position: int, what: str) -> Constraint:
    """An input (or the output, at -1) of int16 around 0, quantised as a whole."""

    def check(view: OperatorView) -> str | None:
        tensor = view.output if position < 0 else view.input(position)
        if tensor is None or tensor.dtype != "int16":
            return f"{tensor or 'it'} is {describe(tensor)}"
        found = tensor.quantisation
        if found is None or found.per_channel:
            return f"{tensor} has {len(found.scales) if found else 'no'} scales"
        return f"{tensor} has zero point {tensor.zero_point}" if tensor.zero_point else None

    return Constraint(
        f"the {what} is int16 with one scale and zero point 0",
        check,
        "quantise the model to int16 activations throughout (ACTIVATIONS_INT16_WEIGHTS_INT8)",
    )


def activation_range_int16(name: str, output: Tensor) -> tuple[int, int]:
    """int16 limits of a fused activation, in the float32 arithmetic of the interpreter."""

    def at(real: float) -> int:
        return round_half_away(float32(min(max(real / output.scale, -1e9), 1e9)))

    limits = {"NONE": (LEAST, MOST), "RELU": (0, MOST), "RELU6": (0, at(6)), "RELU_N1_TO_1": (at(-1), at(1))}
    low, high = limits[name]
    return max(low, LEAST), min(high, MOST)
