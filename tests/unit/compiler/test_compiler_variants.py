"""Choosing among variants: against every combination there is, for each preference."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import numpy as np
import pytest

from fakes.tflite import Tflite
from tinyops.compiler import CompileOptions, compile_model, variants
from tinyops.compiler.costs import INSTRUCTIONS, KERNEL_BYTES, STACK_BYTES, UNKNOWN_BYTES
from tinyops.compiler.lowered import Constant, Kernel, Lowered
from tinyops.compiler.lowering import lower_graph
from tinyops.compiler.options import PREFER, RUNTIME
from tinyops.compiler.passes.reorder import problem_of
from tinyops.compiler.sharing import share_storage
from tinyops.compiler.variants import choices, flash_bytes, predicted_instructions, stack_bytes
from tinyops.compiler.work import COUNTS, counts_of
from tinyops.features import TensorFeatures
from tinyops.graph import Graph, parse_graph

CPU = "cortex-m4f"


def network(seed: int) -> Graph:
    """Convolutions of random sizes, additions and a dense layer: two ways for each."""
    model, rng = Tflite(), np.random.default_rng(seed)
    extent, channels = int(rng.integers(2, 9)), int(rng.integers(2, 24))
    edge = {"scale": 0.1, "zero_point": -1}
    last = source = model.tensor((1, extent, extent, channels), **edge)
    for _ in range(2):
        filters = int(rng.integers(2, 24))
        scale = rng.uniform(0.002, 0.01, filters).astype(np.float32)
        values = rng.integers(-127, 128, (filters, 1, 1, channels))
        weights = model.tensor((filters, 1, 1, channels), scale=scale, data=values)
        made = model.tensor((1, extent, extent, filters), **edge)
        options = {"padding": 1, "strideH": 1, "strideW": 1, "dilationHFactor": 1, "dilationWFactor": 1}
        model.operator("CONV_2D", [last, weights], [made], table="Conv2DOptions", **options)
        last, channels = model.tensor((1, extent, extent, filters), **edge), filters
        model.operator("ADD", [made, made], [last], table="AddOptions")
    count = extent * extent * channels
    weights = model.tensor((5, count), scale=0.004, data=rng.integers(-127, 128, (5, count)))
    output = model.tensor((1, 5), scale=0.4, zero_point=4)
    model.operator("FULLY_CONNECTED", [last, weights], [output], table="FullyConnectedOptions")
    return parse_graph(model.build([source], [output]), "network")


def flash(lowered: tuple[Lowered, ...]) -> int:
    kernels = {k.source for low in lowered for k in low.kernels}
    return sum(map(flash_bytes, lowered)) + sum(KERNEL_BYTES["dsp"].get(k, UNKNOWN_BYTES) for k in kernels)


def instructions(graph: Graph, lowered: tuple[Lowered, ...]) -> int:
    return sum(predicted_instructions(graph, low, CPU) for low in lowered)


def ram(graph: Graph, lowered: tuple[Lowered, ...]) -> int:
    storage = share_storage(graph, lowered)
    return max(problem_of(graph, storage.lowered, storage.owner).needed()) + stack_bytes(lowered, CPU)


@pytest.mark.parametrize("seed", range(6))
def test_no_combination_is_better_at_what_is_preferred(seed: int) -> None:
    graph = network(seed)
    candidates = lower_graph(graph, CPU)
    assert max(map(len, candidates)) == 2
    combinations = list(product(*candidates))
    chosen = {prefer: choices(graph, candidates, CPU, prefer)[0] for prefer in PREFER}
    assert flash(chosen["size"]) == min(map(flash, combinations))
    assert instructions(graph, chosen["speed"]) == min(instructions(graph, c) for c in combinations)
    assert ram(graph, chosen["ram"]) == min(ram(graph, c) for c in combinations)
    fastest = chosen["speed"]
    least = (flash(fastest), ram(graph, fastest), instructions(graph, fastest))

    def shares(lowered: tuple[Lowered, ...]) -> float:
        mine = (flash(lowered), ram(graph, lowered), instructions(graph, lowered))
        return sum(a / b for a, b in zip(mine, least, strict=True))

    assert shares(chosen["balanced"]) == pytest.approx(min(map(shares, combinations)), rel=0.01)


@pytest.mark.parametrize("seed", range(3))
def test_for_ram_the_planner_has_the_last_word(seed: int) -> None:
    compiled = {p: compile_model(network(seed), TensorFeatures(), CompileOptions(cpu=CPU, prefer=p)) for p in PREFER}
    needed = {p: c.arena.bytes + stack_bytes(c.lowered, CPU) for p, c in compiled.items()}
    assert needed["ram"] <= min(needed.values()) * 1.01


def test_a_kernel_that_another_operator_needs_anyway_costs_no_code(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(variants, "KERNEL_BYTES", {"dsp": {"kernels/shared.c": 1000, "kernels/own.c": 1200}})
    graph = network(1)
    (first, second, *rest) = [ways[0] for ways in lower_graph(graph, CPU)]
    shared, own = (Kernel(f"kernels/{name}.c", ()) for name in ("shared", "own"))
    filler = Constant("filler", "int8_t", np.zeros(500, np.int8), "")
    call = replace(second.calls[0], arguments=(*second.calls[0].arguments, filler))
    with_shared = replace(second, calls=(call,), kernel=shared)
    with_own = replace(second, kernel=own)
    candidates = [(replace(first, kernel=shared),), (with_own, with_shared), *((low,) for low in rest)]
    assert choices(graph, candidates, CPU, "size")[0][1] is with_shared
    alone = [(replace(first, kernel=None),), *candidates[1:2], *((replace(low, kernel=None),) for low in rest)]
    assert choices(graph, alone, CPU, "size")[0][1] is with_own


def test_more_kernels_than_sets_are_made_of_still_choose() -> None:
    graph = network(1)
    candidates = lower_graph(graph, CPU)
    many = [(*ways, *ways) for ways in candidates]
    assert flash(choices(graph, many, CPU, "size")[0]) == flash(choices(graph, candidates, CPU, "size")[0])


def test_every_cost_has_a_count_and_a_kernel() -> None:
    """So that none of them is left over from a kernel that has changed."""
    sources = {f"kernels/{path.name}" for path in (RUNTIME / "kernels").glob("*.c")}
    assert set(KERNEL_BYTES) == set(STACK_BYTES) == set(INSTRUCTIONS) == {"dsp", "v6m"}
    for core in KERNEL_BYTES:
        assert set(KERNEL_BYTES[core]) == set(STACK_BYTES[core])
        assert set(KERNEL_BYTES[core]) <= sources
    text = "".join((RUNTIME / source).read_text() for source in sources)
    assert all(f"{function}(" in text for core in INSTRUCTIONS.values() for function in core)


@pytest.mark.parametrize("cpu", ["cortex-m4f", "cortex-m0plus"])
def test_counts_and_costs_go_together(cpu: str) -> None:
    graph = network(2)
    for ways in lower_graph(graph, cpu):
        for low in ways:
            (call,) = low.calls
            table = INSTRUCTIONS["v6m" if cpu == "cortex-m0plus" else "dsp"]
            assert len(counts_of(graph, call)) == len(table[call.function])
            assert call.function in COUNTS or call.function == "tinyops_lookup"
            assert predicted_instructions(graph, low, cpu) > 0
