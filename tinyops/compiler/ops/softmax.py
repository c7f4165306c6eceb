"""SOFTMAX over the last dimension."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import input_radius, quantise_multiplier
from tinyops.compiler.lowered import Call, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

KERNEL = Kernel("kernels/softmax.c", ("tinyops/kernels/softmax.h",))
INTEGER_BITS = 5  # of a scaled difference of inputs
MOST_VALUES = 4095  # whose exponentials add up within 32 bits


def _bad_beta(view: OperatorView) -> str | None:
    beta = view.options.beta
    return None if math.isfinite(beta) and beta > 0 else f"beta is {beta:g}"


def _factor(view: OperatorView) -> float:
    return float(min(view.options.beta * view.tensor(0).scale * (1 << (31 - INTEGER_BITS)), 2.0**31 - 1.0))


def _flat(view: OperatorView) -> str | None:
    return None if _factor(view) > 1 else f"beta x scale is {view.options.beta * view.tensor(0).scale:g}"


def _too_deep(view: OperatorView) -> str | None:
    depth = view.tensor(0).shape[-1]
    return None if depth <= MOST_VALUES else f"{depth:,}"


def lower(view: OperatorView) -> Lowered:
    source = view.tensor(0)
    factor = quantise_multiplier(_factor(view))
    params = {
        "rows": source.elements // source.shape[-1],
        "depth": source.shape[-1],
        "multiplier": factor.multiplier,
        "left_shift": factor.shift,
        "diff_min": -input_radius(INTEGER_BITS, factor.shift),
    }
    call = Call("tinyops_softmax", "tinyops_softmax_params", params, (Read(source.index), Write(view.output.index)))
    return Lowered((call,), KERNEL)


KINDS = (
    OperatorKind(
        "SOFTMAX",
        (
            c.operands(1, 1),
            c.quantised(0, "input"),
            c.quantised(-1, "output"),
            c.ranks(1, 8),
            c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
            c.probabilities(),
            c.holds("beta is finite and above zero", _bad_beta),
            c.holds("beta times the input's scale is above 2^-26", _flat),
            c.holds(f"the last dimension has at most {MOST_VALUES} values", _too_deep),
        ),
        lower,
    ),
)
