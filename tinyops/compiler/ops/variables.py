"""READ_VARIABLE and ASSIGN_VARIABLE: what a model keeps between inferences, by itself or as a resource.

Handles were resolved when the graph was read: here a resource is a variable like an SVDF's or an LSTM's.
"""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView

DTYPES = ("int8", "uint8", "int16", "int32", "float32")


def lower(_view: OperatorView) -> Lowered:
    return Lowered((), None)


KINDS = tuple(
    OperatorKind(name, (c.operands(1, 1), c.typed(-1, "resource", DTYPES)), lower)
    for name in ("READ_VARIABLE", "ASSIGN_VARIABLE")
)
