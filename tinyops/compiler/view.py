"""An operator with its tensors at hand, as constraints and lowering see it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tinyops.graph import Graph, Operator, Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True)
class OperatorView:
    """One operator of a graph, to be run by `cpu`. `input(i)` is None where an optional input is absent."""

    graph: Graph
    operator: Operator
    cpu: str = "x86-64"

    @property
    def options(self) -> Any:
        return self.operator.options

    @property
    def inputs(self) -> tuple[Tensor, ...]:
        """The inputs that are there, in order."""
        return tuple(self.graph.tensors[i] for i in self.operator.inputs if i is not None)

    @property
    def output(self) -> Tensor:
        """The only output, or the first of several."""
        return self.graph.tensors[self.operator.outputs[0]]

    @property
    def outputs(self) -> tuple[Tensor, ...]:
        return tuple(self.graph.tensors[i] for i in self.operator.outputs)

    def input(self, position: int) -> Tensor | None:
        if position >= len(self.operator.inputs):
            return None
        index = self.operator.inputs[position]
        return None if index is None else self.graph.tensors[index]

    def tensor(self, position: int) -> Tensor:
        """An input that constraints have found to be there."""
        found = self.input(position)
        assert found is not None
        return found

    def __str__(self) -> str:
        return f"{self.operator} {self.output.name!r}"


def constant_values(tensor: Tensor) -> NDArray[Any]:
    """A constant's values in its shape."""
    import numpy as np

    assert tensor.data is not None
    return np.frombuffer(tensor.data, dtype=np.dtype(tensor.dtype).newbyteorder("<")).reshape(tensor.shape)


def int64_values(tensor: Tensor) -> NDArray[np.int64]:
    return constant_values(tensor).astype("int64")
