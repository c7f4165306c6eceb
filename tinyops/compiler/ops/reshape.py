"""RESHAPE, EXPAND_DIMS and SQUEEZE: no bytes move where the output can lie where the input lies."""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops.copying import MOVED, same_bytes
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView


def _differs(view: OperatorView) -> str | None:
    source, output = view.tensor(0), view.output
    if source.dtype != output.dtype or source.elements != output.elements:
        return f"{source.dtype} {source.shape} and {output.dtype} {output.shape}"
    return None


def lower(view: OperatorView) -> Lowered:
    return same_bytes(view.tensor(0), view.output)


def _kind(name: str, most: int) -> OperatorKind:
    limits = (
        c.operands(1, most),
        c.typed(0, "input", MOVED),
        c.holds("input and output have the same type and number of elements", _differs),
        c.same_quantisation(),
    )
    return OperatorKind(name, limits, lower)


KINDS = (_kind("RESHAPE", 2), _kind("EXPAND_DIMS", 2), _kind("SQUEEZE", 1))
