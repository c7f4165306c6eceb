"""The order of operators: the lowest peak, compared with every order there is; never a larger arena than the file's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.compiled import compile_special
from fakes.pass_models import cell
from tinyops.compiler.arena import place_tensors
from tinyops.compiler.lowering import lower_graph
from tinyops.compiler.passes.reorder import Problem, Step, Storage, lowest_peak, problem_of
from tinyops.compiler.sharing import share_storage
from tinyops.features import TensorFeatures
from tinyops.graph import Tensor, parse_graph


def orders(problem: Problem, done: int = 0) -> Iterator[tuple[int, ...]]:
    """Every order in which the operators can run."""
    if done == problem.all_done:
        yield ()
    for index, step in enumerate(problem.steps):
        if not done >> index & 1 and not step.needs & ~done:
            yield from ((index, *rest) for rest in orders(problem, done | 1 << index))


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    """Operators that each make a storage and read some that are there; some may write over what they read last."""
    count = draw(st.integers(2, 7))
    reads = [draw(st.sets(st.integers(0, i), min_size=1, max_size=3)) for i in range(count)]  # storage 0: the inputs
    sizes = [16 * draw(st.integers(1, 9)) for _ in range(count + 1)]
    users = [0] * (count + 1)
    steps = []
    for i, read in enumerate(reads):
        for storage in read:
            users[storage] |= 1 << i
        users[i + 1] |= 1 << i
        needs = sum(1 << (storage - 1) for storage in read if storage)
        below = draw(st.sampled_from(sorted(read)))
        shared = {(i + 1, below): min(sizes[i + 1], sizes[below])} if draw(st.booleans()) else {}
        steps.append(Step(needs, (*sorted(read), i + 1), 16 * draw(st.sampled_from([0, 0, 3, 25])), shared))
    storages = [Storage(sizes[0], 0, users[0], True, False)]
    storages += [Storage(sizes[i + 1], 1 << i, users[i + 1], False, not users[i + 1] >> (i + 1)) for i in range(count)]
    return Problem(tuple(steps), tuple(storages))


@settings(max_examples=300, deadline=None)
@given(problems())
def test_no_order_has_a_lower_peak(problem: Problem) -> None:
    best = min(map(problem.peak, orders(problem)))
    found = lowest_peak(problem)
    given_order = tuple(range(len(problem.steps)))
    assert problem.peak(found or given_order) == best
    if found is not None:
        assert sorted(found) == list(given_order)
        assert best < problem.peak(given_order)
    assert problem.least() <= best


def test_branches_run_one_after_the_other() -> None:
    """The figures of docs/decisions/0036-passes.md."""
    compiled = compile_special(cell(6, wide=64, extent=12), "cortex-m4f")
    graph = parse_graph(cell(6, wide=64, extent=12), "cell")
    lowered = tuple(ways[-1] for ways in lower_graph(graph, "cortex-m4f"))
    _, as_in_file = place_tensors(graph, lowered, TensorFeatures())
    assert [o.number for o in compiled.graph.operators[:4]] == [0, 6, 1, 7]
    assert as_in_file.bytes == 55_552
    assert compiled.arena.bytes == 13_280
    assert [str(a) for a in compiled.applied if a.moved] == [
        "moved 6 CONV_2D, 1 CONV_2D, 7 CONV_2D, 2 CONV_2D, 8 CONV_2D, 3 CONV_2D, 9 CONV_2D, 4 CONV_2D, 10 CONV_2D, "
        "5 CONV_2D"
    ]


def test_where_looks_run_out_the_order_stays() -> None:
    graph = parse_graph(cell(6), "cell")
    storage = share_storage(graph, tuple(way for (way,) in lower_graph(graph, "x86-64")))
    problem = problem_of(graph, storage.lowered, storage.owner)
    assert lowest_peak(problem) is not None
    assert lowest_peak(problem, looks=5) is None


def test_operators_that_keep_state_hold_their_place() -> None:
    """Two branches as above, with an operator between the widening and the narrowing that keeps state."""
    graph = parse_graph(cell(2), "cell")
    storage = share_storage(graph, tuple(way for (way,) in lower_graph(graph, "x86-64")))
    free = problem_of(graph, storage.lowered, storage.owner)
    assert free.steps[2].needs == 0b0001
    variable = Tensor(len(graph.tensors), "v", (4,), "int8", variable=True)
    second = replace(graph.operators[1], inputs=(*graph.operators[1].inputs, variable.index))
    stateful = replace(
        graph, tensors=(*graph.tensors, variable), operators=(graph.operators[0], second, *graph.operators[2:])
    )
    bound = problem_of(stateful, storage.lowered, storage.owner)
    assert [step.needs & 0b10 for step in bound.steps[2:]] == [0b10] * 3
    assert bound.steps[1].needs & 1
