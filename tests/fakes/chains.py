"""Parts of a model run one after another, each with what the one before it gave: what a chain of boards does."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from fakes.tflite import Tflite
from tinyops.graph import Graph, Tensor
from tinyops.split import PartFile


class Runs(Protocol):
    """The interpreter, or what is compiled."""

    def run(self, model: bytes, inputs: Sequence[NDArray]) -> list[bytes] | None: ...


def some_inputs(graph: Graph, count: int, seed: int = 1) -> list[NDArray]:
    """Values for each input tensor, anything that its type holds."""
    rng = np.random.default_rng(seed)

    def values(tensor: Tensor) -> NDArray:
        shape = (count, *tensor.shape)
        if tensor.dtype == "float32":
            return rng.normal(0, 2, shape).astype(np.float32)
        if tensor.dtype == "bool":
            return rng.integers(0, 2, shape).astype(np.bool_)
        limits = np.iinfo(tensor.dtype)
        return rng.integers(limits.min, limits.max, shape, endpoint=True).astype(tensor.dtype)

    return [values(graph.tensors[i]) for i in graph.inputs]


def run_chain(interpreter: Runs, parts: Sequence[PartFile], graph: Graph, inputs: Sequence[NDArray]) -> list[bytes]:
    """As `Interpreter.run` of the whole model: output bytes of each vector. Variables are kept from one to the next."""
    passed = dict(zip(graph.inputs, inputs, strict=True))
    for part in parts:
        assert part.data is not None
        made = interpreter.run(part.data, [passed[i] for i in part.inputs])
        assert made is not None, f"the interpreter refuses operators {part.begin} to {part.end - 1}"
        held = {i: passed[i] for i in part.passed}
        passed = {**_tensors(made, part, graph), **held}
        assert set(passed) == set(part.gives)
    return [b"".join(passed[i][vector].tobytes() for i in graph.outputs) for vector in range(len(inputs[0]))]


def _tensors(made: Sequence[bytes], part: PartFile, graph: Graph) -> dict[int, NDArray]:
    """A part's own outputs."""
    found, at = {}, 0
    for index in part.outputs:
        tensor = graph.tensors[index]
        raw = b"".join(vector[at : at + tensor.bytes] for vector in made)
        found[index] = np.frombuffer(raw, np.dtype(tensor.dtype)).reshape(len(made), *tensor.shape)
        at += tensor.bytes
    assert all(len(vector) == at for vector in made)
    return found


def two_memories() -> bytes:
    """x + a is kept as a, that + b as b; one subgraph sets both first values. It may be cut between them, at 3 of 6."""
    model, edge = Tflite(), {"scale": 0.5, "zero_point": -3}
    other = model.other()
    model.operator("CALL_ONCE", [], [], table="CallOnceOptions", initSubgraphIndex=1)
    source = first = model.tensor((1, 6), **edge, name="x")
    for number, name in enumerate("ab"):
        value = other.tensor((1, 6), **edge, data=np.full(6, 7 + number))
        other.operator("ASSIGN_VARIABLE", [other.handle(name), value], [])
        handle, old, made = model.handle(name), model.tensor((1, 6), **edge), model.tensor((1, 6), **edge)
        model.operator("READ_VARIABLE", [handle], [old])
        model.operator("ADD", [source, old], [made], table="AddOptions", fusedActivationFunction=0)
        model.operator("ASSIGN_VARIABLE", [handle, made], [])
        source = made
    return model.build([first], [source])
