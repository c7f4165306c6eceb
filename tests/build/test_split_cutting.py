"""Parts of models, run one after another, compute what the whole computes: as tflite-micro has it, and compiled."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from numpy.typing import NDArray

from fakes.chains import run_chain, some_inputs, two_memories
from fakes.compiled import compile_bytes, input_vectors, run_compiled
from fakes.few_values import int4_network
from fakes.int16_models import network
from fakes.interpreter import Interpreter
from fakes.moving_network import moving_network
from fakes.pass_models import cell
from fakes.state_models import delay_line, wake_word
from fakes.strategies import drawn
from tinyops.graph import parse_graph
from tinyops.split import boundaries, cut_model, stands_alone

pytestmark = pytest.mark.build
SHARED = Path(os.environ.get("TINYOPS_SHARED_DATA", Path(__file__).parents[3] / "shared" / "data"))
MODELS = SHARED / "models" / "mlperf_tiny"
real = pytest.mark.skipif(not MODELS.is_dir(), reason="no models in the shared data (TINYOPS_SHARED_DATA)")
# Model -> chains of parts. ResNet has boundaries of two tensors at 2, 3, 5, 6, …; all 66 single cuts were run by hand.
CHAINS = {
    "kws_ref_model": [(1,), (6,), (2, 5, 9, 12)],
    "pretrainedResnet_quant": [(3,), (6,), (1, 2, 3, 7, 10, 12)],
    "ad01_int8": [(4,), tuple(range(1, 10))],
    "vww_96_int8": [(2,), (9, 20)],
}


@pytest.fixture(scope="module")
def interpreter() -> Iterator[Interpreter]:
    made = Interpreter()
    yield made
    made.close()


def agree(interpreter: Interpreter, data: bytes, chains: Sequence[Sequence[int]], vectors: int = 3) -> None:
    graph = parse_graph(data, "whole.tflite")
    inputs = some_inputs(graph, vectors)
    whole = interpreter.run(data, inputs)
    assert whole is not None
    for cuts in chains:
        parts = cut_model(data, "whole.tflite", cuts)
        for part in parts:
            assert part.data is not None
            read = parse_graph(part.data, "part.tflite")
            assert [read.tensors[i].bytes for i in read.inputs] == [graph.tensors[i].bytes for i in part.inputs]
            assert [read.tensors[i].bytes for i in read.outputs] == [graph.tensors[i].bytes for i in part.outputs]
        assert run_chain(interpreter, parts, graph, inputs) == whole, cuts


def open_cuts(data: bytes) -> list[int]:
    """Where a model may be cut in two."""
    graph = parse_graph(data, "whole.tflite")
    positions, last = boundaries(graph), len(graph.operators)
    found = [p.at for p in positions[1:-1] if not p.refused]
    return [at for at in found if stands_alone(graph, positions, 0, at) and stands_alone(graph, positions, at, last)]


def together(data: bytes) -> list[int]:
    """As many of these cuts as there can be at once, from the first on."""
    graph = parse_graph(data, "whole.tflite")
    positions, chosen = boundaries(graph), [0]
    for at in open_cuts(data):
        if stands_alone(graph, positions, chosen[-1], at):
            chosen.append(at)
    return chosen[1:] if stands_alone(graph, positions, chosen[-1], len(graph.operators)) else chosen[1:-1]


@real
@pytest.mark.parametrize("name", CHAINS)
def test_chains_of_real_models(interpreter: Interpreter, name: str) -> None:
    agree(interpreter, (MODELS / f"{name}.tflite").read_bytes(), CHAINS[name], vectors=2)


@pytest.mark.parametrize("make", [moving_network, cell, delay_line, wake_word, two_memories, network])
def test_every_cut_and_all_cuts_at_once(interpreter: Interpreter, make: object) -> None:
    """Several inputs and outputs, branches, and resources with their first values, which stay in one part."""
    data = make()  # type: ignore[operator]
    cuts = open_cuts(data)
    assert cuts
    agree(interpreter, data, [*((cut,) for cut in cuts), together(data)], vectors=4)


@pytest.mark.parametrize("strategy", ["resources", "rows"])
def test_drawn_models(interpreter: Interpreter, strategy: str) -> None:
    for data in drawn(strategy, 12, same=True):
        agree(interpreter, data, [together(data)], vectors=3)


@real
def test_a_chain_of_compiled_parts(interpreter: Interpreter) -> None:
    """ResNet's first block: its second part holds what the block took, for the third to add to it."""
    data = (MODELS / "pretrainedResnet_quant.tflite").read_bytes()
    compiled_parts_agree(interpreter, data, (2, 3), [(1, 2, 0), (2, 2, 1), (2, 1, 0)])


def test_a_chain_of_compiled_parts_of_int16(interpreter: Interpreter) -> None:
    """What goes from part to part has two bytes a value."""
    data = network()
    graph = parse_graph(data, "whole.tflite")
    assert [graph.tensors[p.takes[0]].dtype for p in cut_model(data, "whole.tflite", (3, 6))[1:]] == ["int16"] * 2
    compiled_parts_agree(interpreter, data, (3, 6), [(1, 2, 0), (2, 1, 0), (1, 1, 0)])


def compiled_parts_agree(
    interpreter: Interpreter, data: bytes, cuts: tuple[int, ...], ends: list[tuple[int, int, int]]
) -> None:
    """`ends` are the numbers of tensors that each part takes, gives and passes on."""
    graph = parse_graph(data, "whole.tflite")
    parts = cut_model(data, "whole.tflite", cuts)
    assert [(len(p.takes), len(p.gives), len(p.passed)) for p in parts] == ends

    class Compiled:
        def run(self, model: bytes, inputs: Sequence[NDArray]) -> list[bytes]:
            compiled = compile_bytes(model)
            return run_compiled(compiled, input_vectors(compiled, inputs))

    inputs = some_inputs(graph, 2)
    assert run_chain(Compiled(), parts, graph, inputs) == interpreter.run(data, inputs)


def test_parts_of_a_file_with_weights_of_four_bits(interpreter: Interpreter) -> None:
    data = int4_network()
    agree(interpreter, data, [(1,), (1, 2)])
    (first, *_) = cut_model(data, "whole.tflite", (1,))
    assert first.data is not None and len(first.data) < len(data) / 2
