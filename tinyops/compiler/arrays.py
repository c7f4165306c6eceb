"""The constant arrays of a compiled model, as they stand in weights.c."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.compiler.c_text import number, safe
from tinyops.compiler.header import SYMBOLS
from tinyops.compiler.lowered import CTYPES, Constant, Lowered, Read
from tinyops.compiler.state import uniform
from tinyops.graph import Graph, Operator, Tensor, state_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

LINE_CHARACTERS = 96


@dataclass(frozen=True)
class Array:
    """A constant array of weights.c."""

    name: str
    ctype: str
    values: NDArray[Any]
    note: str
    in_flash: bool = False  # of AVR, see TINYOPS_FLASH

    @property
    def bytes(self) -> int:
        return int(self.values.nbytes)

    @property
    def count(self) -> int:
        return int(self.values.size)

    @property
    def lines(self) -> Iterator[str]:
        """The values, as many to a line as fit. A line at a time: text of megabytes of weights is many times theirs."""
        flat = self.values.reshape(-1)
        ends = (flat.min(), flat.max()) if flat.dtype.kind in "iu" else flat
        width = max(len(number(v.item())) for v in ends) + 2
        per_line = max(LINE_CHARACTERS // width, 1)
        for i in range(0, flat.size, per_line):
            yield ", ".join(map(number, flat[i : i + per_line].tolist())) + ","


def arrays_of(graph: Graph, lowered: Sequence[Lowered]) -> Iterator[Array]:
    """Constants of operators, constant tensors that kernels read as operands, and what variables hold at first."""
    operands: dict[int, Array] = {}
    for operator, low in zip(graph.operators, lowered, strict=True):
        for constant in low.constants:
            note = f"{operator}: {constant.note}"
            flash = low.kernel is not None and low.kernel.reads_flash
            yield Array(constant_name(operator, constant), constant.ctype, constant.values, note, flash)
        for call in low.calls:
            for argument in call.arguments:
                if isinstance(argument, Read) and graph.tensors[argument.tensor].data is not None:
                    operands.setdefault(argument.tensor, _operand(graph.tensors[argument.tensor]))
    yield from operands.values()
    yield from _initials(graph)


def _initials(graph: Graph) -> Iterator[Array]:
    """Of variables that one value does not fill."""
    import numpy as np

    for tensor in (graph.tensors[i] for i in state_of(graph)):
        assert tensor.initial is not None
        if not uniform(tensor.initial):
            note = f"{safe(tensor.name)} {tensor.shape}, before the first inference"
            yield Array(f"tinyops_tensor_{tensor.index}", "uint8_t", np.frombuffer(tensor.initial, np.uint8), note)


def external_names(graph: Graph, lowered: Sequence[Lowered]) -> list[str]:
    """Every symbol that model.c and weights.c define for other files."""
    return [*SYMBOLS, *(array.name for array in arrays_of(graph, lowered))]


def _operand(tensor: Tensor) -> Array:
    from tinyops.compiler.view import constant_values

    values = constant_values(tensor).reshape(-1)
    return Array(f"tinyops_tensor_{tensor.index}", CTYPES[tensor.dtype], values, f"{safe(tensor.name)} {tensor.shape}")


def constant_name(operator: Operator, constant: Constant) -> str:
    return f"tinyops_op{operator.number}_{constant.name}"
