"""Functions of one byte as tables of 256 bytes, computed here: activations, QUANTIZE, one constant operand."""

from __future__ import annotations

from collections.abc import Callable

from tinyops.compiler.lowered import Call, Constant, Kernel, Lowered, Read, Write
from tinyops.compiler.view import OperatorView
from tinyops.graph import Tensor

KERNEL = Kernel("kernels/lookup.c", ("tinyops/kernels/movement.h",))


def lookup(view: OperatorView, function: Callable[[int], int], note: str, source: Tensor | None = None) -> Lowered:
    """A 256-byte table of `function`, which maps values of the input's type to values of the output's.

    `source` is the input that is looked up, the first one unless given.
    """
    import numpy as np

    source = source or view.tensor(0)
    values = [i - 256 if source.dtype == "int8" and i > 127 else i for i in range(256)]
    table = np.array([function(v) & 0xFF for v in values], dtype=np.uint8)
    params = {"count": view.output.elements}
    arguments = (Read(source.index), Constant("table", "uint8_t", table, note), Write(view.output.index))
    return Lowered((Call("tinyops_lookup", "tinyops_lookup_params", params, arguments),), KERNEL)
