"""SOFTMAX and LOG_SOFTMAX over the last dimension: int8, and float32 where a model ends in it."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

from tinyops.compiler import constraints as c
from tinyops.compiler.constraints import Constraint
from tinyops.compiler.fixed_point import Multiplier, exp_on_negative, input_radius, multiply, quantise_multiplier
from tinyops.compiler.lowered import Call, Constant, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView
from tinyops.graph import SoftmaxOptions, Tensor

EXPONENTIAL_HEADER = "tinyops/kernels/exponential.h"
KERNEL = Kernel("kernels/softmax.c", ("tinyops/kernels/softmax.h", EXPONENTIAL_HEADER))
TABLE_KERNEL = Kernel("kernels/softmax_table.c", ("tinyops/kernels/softmax.h", EXPONENTIAL_HEADER))
LOG_KERNEL = Kernel("kernels/log_softmax.c", ("tinyops/kernels/log_softmax.h", EXPONENTIAL_HEADER))
REAL_KERNEL = Kernel("kernels/softmax_real.c", ("tinyops/kernels/softmax_real.h",))
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


def _params(source: Tensor, factor: Multiplier) -> dict[str, int]:
    """What softmax and its logarithm have in common."""
    return {
        "rows": source.elements // source.shape[-1],
        "depth": source.shape[-1],
        "multiplier": factor.multiplier,
        "left_shift": factor.shift,
        "diff_min": -input_radius(INTEGER_BITS, factor.shift),
    }


def lower(view: OperatorView) -> Lowered:
    source = view.tensor(0)
    params = _params(source, quantise_multiplier(_factor(view)))
    name = "tinyops_softmax" if view.output.dtype == "int8" else "tinyops_softmax_int16"
    call = Call(name, "tinyops_softmax_params", params, (Read(source.index), Write(view.output.index)))
    return Lowered((call,), KERNEL)


def _with_table(view: OperatorView) -> Lowered | None:
    """With the exponentials of all differences of inputs as a table, for int8."""
    import numpy as np

    source = view.tensor(0)
    if _real(view) or view.output.dtype != "int8":
        return None
    factor = quantise_multiplier(_factor(view))
    count = min(input_radius(INTEGER_BITS, factor.shift), 255) + 1
    values = [exp_on_negative(multiply(-below, factor), INTEGER_BITS) for below in range(count)]
    table = Constant("exps", "int32_t", np.array(values, np.int32), "exp of what is below the largest value")
    params = {"rows": source.elements // source.shape[-1], "depth": source.shape[-1], "count": count}
    arguments = (Read(source.index), table, Write(view.output.index))
    return Lowered((Call("tinyops_softmax_table", "tinyops_softmax_table_params", params, arguments),), TABLE_KERNEL)


def _bad_output(view: OperatorView) -> str | None:
    """The interpreter takes the finer scale for good where it is near; no value depends on it."""
    output, levels = view.output, {"int8": 256, "int16": 65536}[view.output.dtype]
    near = abs(output.scale * levels - 1) <= (0 if levels == 256 else 1e-3)
    good = near and output.zero_point == -levels // 2
    return None if good else f"scale {output.scale:g}, zero point {output.zero_point}"


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
    params = _params(source, factor) | {"back_multiplier": back.multiplier, "back_shift": back.shift}
    arguments = (Read(source.index), Write(view.output.index))
    return Lowered((Call("tinyops_log_softmax", "tinyops_log_softmax_params", params, arguments),), LOG_KERNEL)


# -- float32 -------------------------------------------------------------------------------------


def _real(view: OperatorView) -> bool:
    return view.tensor(0).dtype == "float32" == view.output.dtype


def _lower(in_int8: Callable[[OperatorView], Lowered], function: str, view: OperatorView) -> Lowered:
    if not _real(view):
        return in_int8(view)
    source = view.tensor(0)
    depth = source.shape[-1]
    beta = view.options.beta if isinstance(view.options, SoftmaxOptions) else 1.0
    arguments = (Read(source.index), Write(view.output.index))
    params = {"rows": source.elements // depth, "depth": depth, "beta": beta}
    return Lowered((Call(function, "tinyops_softmax_real_params", params, arguments),), REAL_KERNEL)


def _int8_or_real(outputs: tuple[str, ...]) -> Constraint:
    def check(view: OperatorView) -> str | None:
        if _real(view):
            return None
        return c.quantised(0, "input").check(view) or c.quantised(-1, "output", outputs).check(view)

    given = c.listed(outputs)
    return Constraint(f"the input is int8 with one scale, the output {given} with one scale; or both float32", check)


def _int8(limit: Constraint) -> Constraint:
    """A limit of the int8 kernel alone."""
    check = limit.check
    return Constraint(f"int8: {limit.sentence}", lambda view: None if _real(view) else check(view), limit.advice)


_ROWS = (
    c.ranks(1, 8),
    c.shape_is("input and output have the same shape", lambda view: view.tensor(0).shape),
    c.holds(f"the last dimension has at most {MOST_VALUES} values", _too_deep),
)


def _short_reals(view: OperatorView) -> str | None:
    return "float32" if view.cpu == "avr" and view.tensor(0).dtype == "float32" else None


_LONG_REALS = c.holds("on AVR, which has no 64-bit real numbers, the input is quantised", _short_reals)

KINDS = (
    OperatorKind(
        "SOFTMAX",
        (
            c.operands(1, 1),
            _int8_or_real(("int8", "int16")),
            _LONG_REALS,
            *_ROWS,
            c.holds("beta is finite and above zero", _bad_beta),
            _int8(
                c.holds(
                    "the output has scale 1/256 and zero point -128, in int16 about 1/65536 and -32768", _bad_output
                )
            ),
            _int8(c.holds("beta times the input's scale is above 2^-26", _flat)),
        ),
        partial(_lower, lower, "tinyops_softmax_real"),
        (_with_table,),
    ),
    OperatorKind(
        "LOG_SOFTMAX",
        (
            c.operands(1, 1),
            _int8_or_real(("int8",)),
            _LONG_REALS,
            *_ROWS,
            _int8(c.holds("the output has scale 16/256 and zero point 127", _bad_log_output)),
            _int8(c.holds("the input's scale is above 2^-25", _log_flat)),
        ),
        partial(_lower, lower_log, "tinyops_log_softmax_real"),
    ),
)
