"""What operators of two int8 operands share: broadcasting over up to four dimensions, and one constant as a table."""

from __future__ import annotations

import math
from collections.abc import Callable

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.tables import lookup
from tinyops.compiler.ops.weighted import activation_range
from tinyops.compiler.view import OperatorView

BROADCAST_HEADER = "tinyops/kernels/broadcast.h"
ELEMENTWISE_HEADERS = ("tinyops/kernels/elementwise.h", BROADCAST_HEADER)


def _four(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1,) * (4 - len(shape)) + shape


def broadcast_shape(view: OperatorView) -> tuple[int, ...] | None:
    """The output's shape; None where the operands' shapes do not go together, or have too many dimensions."""
    a, b = view.tensor(0).shape, view.tensor(1).shape
    rank = max(len(a), len(b))
    if rank > 4:
        return None
    pairs = list(zip(_four(a), _four(b), strict=True))
    if any(x != y and 1 not in (x, y) for x, y in pairs):
        return None
    return tuple(max(x, y) for x, y in pairs)[4 - rank :]


def _steps(shape: tuple[int, ...]) -> tuple[int, ...]:
    """How far an operand moves along each dimension of the output."""
    return tuple(0 if extent == 1 else math.prod(shape[i + 1 :]) for i, extent in enumerate(shape))


def _broadcast(view: OperatorView, operands: tuple[int, int]) -> dict[str, Field]:
    a, b, out = (_four(t.shape) for t in (*(view.tensor(i) for i in operands), view.output))
    if a == b:  # one loop is enough
        a = b = out = (1, 1, 1, math.prod(out))
    return {"extent": out, "a_step": _steps(a), "b_step": _steps(b)}


def pairwise(
    view: OperatorView,
    name: str,
    params: dict[str, Field],
    kernel: Kernel,
    kind: str = "",
    operands: tuple[int, int] = (0, 1),
) -> Lowered:
    """A call of tinyops_`name`; its parameters are of tinyops_`kind`_params, `kind` being `name` unless given."""
    fields: dict[str, Field] = {"shape": _broadcast(view, operands), **params}
    first, second = (Read(view.tensor(i).index) for i in operands)
    arguments = (first, second, Write(view.output.index))
    return Lowered((Call(f"tinyops_{name}", f"tinyops_{kind or name}_params", fields, arguments),), kernel)


def output_fields(view: OperatorView) -> dict[str, int]:
    """The output's zero point and its limits after the fused activation, for operators that have one."""
    low, high = activation_range(getattr(view.options, "activation", "NONE"), view.output)
    return {"output_zero_point": view.output.zero_point, "min": low, "max": high}


def offsets(view: OperatorView) -> dict[str, int]:
    """Minus the zero points of both operands."""
    return {"a_offset": -view.tensor(0).zero_point, "b_offset": -view.tensor(1).zero_point}


def with_one_constant(view: OperatorView, function: Callable[[int, int], int], note: str) -> Lowered | None:
    """A table, where one of the operands is a single constant; `function` maps a value of each to the output's."""
    for position in (0, 1):
        tensor = view.tensor(position)
        if tensor.data is None or tensor.elements != 1:
            continue
        (fixed,) = c.integers_of(tensor)
        other = view.tensor(1 - position)
        if position == 0:
            return lookup(view, lambda value, fixed=fixed: function(fixed, value), note, other)  # type: ignore[misc]
        return lookup(view, lambda value, fixed=fixed: function(value, fixed), note, other)  # type: ignore[misc]
    return None


TWO_OPERANDS = (
    c.operands(2, 2),
    c.all_quantised(),
    c.quantised(-1, "output"),
    c.shape_is("shapes agree or broadcast, up to 4 dimensions", broadcast_shape),
)
