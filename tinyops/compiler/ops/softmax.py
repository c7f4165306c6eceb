"""SOFTMAX and LOG_SOFTMAX over the last dimension."""

from __future__ import annotations

import math

from tinyops.compiler import constraints as c
from tinyops.compiler.fixed_point import input_radius, quantise_multiplier
from tinyops.compiler.lowered import Call, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

EXPONENTIAL_HEADER = "tinyops/kernels/exponential.h"
KERNEL = Kernel("kernels/softmax.c", ("tinyops/kernels/softmax.h", EXPONENTIAL_HEADER))
LOG_KERNEL = Kernel("kernels/log_softmax.c", ("tinyops/kernels/log_softmax.h", EXPONENTIAL_HEADER))
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


def _log_factor(view: OperatorView) -> float:
    return float(min(view.tensor(0).scale * (1 << (31 - INTEGER_BITS)), 2.0**31 - 1.0))


def _log_flat(view: OperatorView) -> str | None:
    return None if _log_factor(view) > 2 else f"{view.tensor(0).scale:g}"


def _bad_log_output(view: OperatorView) -> str | None:
    output = view.output
    good = output.scale == 16 / 256 and output.zero_point == 127
    return None if good else f"scale {output.scale:g}, zero point {output.zero_point}"


def lower_log(view: OperatorView) -> Lowered:
    source = view.tensor(0)
    factor = quantise_multiplier(_log_factor(view))
    back = quantise_multiplier((1 << (31 - factor.shift)) / factor.multiplier)
    params = {
        "rows": source.elements // source.shape[-1],
        "depth": source.shape[-1],
        "multiplier": factor.multiplier,
        "left_shift": factor.shift,
        "diff_min": -input_radius(INTEGER_BITS, factor.shift),
        "back_multiplier": back.multiplier,
        "back_shift": back.shift,
    }
    arguments = (Read(source.index), Write(view.output.index))
    return Lowered((Call("tinyops_log_softmax", "tinyops_log_softmax_params", params, arguments),), LOG_KERNEL)


_ROWS = (
    c.operands(1, 1),
    c.quantised(0, "input"),
    c.quantised(-1, "output"),
    c.ranks(1, 8),
    c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
    c.holds(f"the last dimension has at most {MOST_VALUES} values", _too_deep),
)

KINDS = (
    OperatorKind(
        "SOFTMAX",
        (
            *_ROWS,
            c.probabilities(),
            c.holds("beta is finite and above zero", _bad_beta),
            c.holds("beta times the input's scale is above 2^-26", _flat),
        ),
        lower,
    ),
    OperatorKind(
        "LOG_SOFTMAX",
        (
            *_ROWS,
            c.holds("the output has scale 16/256 and zero point 127", _bad_log_output),
            c.holds("the input's scale is above 2^-25", _log_flat),
        ),
        lower_log,
    ),
)
