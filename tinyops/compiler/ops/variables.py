"""READ_VARIABLE and ASSIGN_VARIABLE: what a model keeps between inferences, by itself or as a resource.

Handles were resolved when the graph was read: here a resource is a variable like an SVDF's or an LSTM's.
"""

from __future__ import annotations

from tinyops.compiler import constraints as c
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops.copying import MOVED, same_bytes
from tinyops.compiler.ops.kind import OperatorKind
from tinyops.compiler.view import OperatorView


def lower(view: OperatorView) -> Lowered:
    return same_bytes(view.tensor(0), view.output)


KINDS = tuple(
    OperatorKind(name, (c.operands(1, 1), c.typed(-1, "resource", MOVED)), lower)
    for name in ("READ_VARIABLE", "ASSIGN_VARIABLE")
)
