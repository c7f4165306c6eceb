"""PAD and PADV2 over up to four dimensions."""

from __future__ import annotations

from dataclasses import replace

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Call, Field, Kernel, Lowered, Read, Write
from tinyops.compiler.ops.int16 import wide
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView, constant_values

KERNEL = Kernel("kernels/pad.c", ("tinyops/kernels/movement.h",))


def _pairs(view: OperatorView) -> list[tuple[int, int]]:
    """(before, after) of each dimension."""
    flat = c.integers_of(view.tensor(1))
    return list(zip(flat[::2], flat[1::2], strict=True))


def _bad_amounts(view: OperatorView) -> str | None:
    wanted = (len(view.tensor(0).shape), 2)
    if view.tensor(1).shape != wanted:
        return f"amounts of shape {view.tensor(1).shape}, wanted {wanted}"
    negative = [pair for pair in _pairs(view) if min(pair) < 0]
    return f"{negative[0]}" if negative else None


def _expected(view: OperatorView) -> tuple[int, ...]:
    return tuple(extent + sum(pair) for extent, pair in zip(view.tensor(0).shape, _pairs(view), strict=True))


def lower(view: OperatorView) -> Lowered:
    source, output = view.tensor(0), view.output
    missing = 4 - len(source.shape)
    given = view.input(2)
    value = output.zero_point if given is None else int(constant_values(given).reshape(-1)[0])
    params: dict[str, Field] = {
        "in": (1,) * missing + source.shape,
        "before": (0,) * missing + tuple(pair[0] for pair in _pairs(view)),
        "out": (1,) * missing + output.shape,
        "value": value,
    }
    call = Call("tinyops_pad", "tinyops_pad_params", params, (Read(source.index), Write(output.index)))
    return Lowered((call,), KERNEL)


def lower_int16(view: OperatorView) -> Lowered:
    """Zeros are bytes of zeros: two to a value along the last dimension."""
    (call,) = lower(view).calls
    double = {name: _bytewise(call.params[name]) for name in ("in", "before", "out")}
    return Lowered((replace(call, params={**call.params, **double}),), KERNEL)


def _bytewise(extents: Field) -> Field:
    assert isinstance(extents, tuple)
    return (*extents[:3], 2 * int(extents[3]))


def _kind(name: str, inputs: int) -> OperatorKind:
    value = (c.constant(2, "added values", ("int8",)),) if inputs == 3 else ()
    limits = (c.operands(inputs, inputs), c.quantised(0, "input"), c.quantised(-1, "output"), _AMOUNTS, *value, *_REST)
    return OperatorKind(name, limits, lower)


_AMOUNTS = c.constant(1, "amounts", ("int32", "int64"))
_REST = (
    c.ranks(1, 4),
    c.holds("an amount before and after each dimension, none negative", _bad_amounts),
    c.shape_is("input, amounts and output agree", _expected),
    c.same_quantisation(),
)

KINDS = (_kind("PAD", 2), _kind("PADV2", 3))
INT16_KINDS = (
    OperatorKind("PAD", (c.operands(2, 2), wide(0, "input"), wide(-1, "output"), _AMOUNTS, *_REST), lower_int16),
)
