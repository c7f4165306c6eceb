"""Checks a graph against the compiler's limits and lowers its operators: all problems at once."""

from __future__ import annotations

from tinyops.compiler.constraints import first_broken
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops import OPERATORS
from tinyops.compiler.view import OperatorView
from tinyops.errors import SpecError
from tinyops.graph import Graph

QUANTISE_HINT = "quantise the model to int8 throughout: full-integer conversion with a representative dataset"
MOST_PROBLEMS = 20


def lower_graph(graph: Graph, cpu: str) -> tuple[Lowered, ...]:
    """Each operator's calls, in order, with kernels that suit the core.

    Raises SpecError naming every operator that cannot be compiled and why.
    """
    views = [OperatorView(graph, operator, cpu) for operator in graph.operators]
    problems = [p for p in map(_problem, views) if p]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([(f"and {more} more", "")] if more > 0 else [])
        hints = list(dict.fromkeys(hint for _, hint in problems if hint))
        raise SpecError("\n".join(f"{graph.name}: {text}" for text, _ in shown), hint="; ".join(hints[:3]))
    return tuple(OPERATORS[view.operator.name].candidates(view)[-1] for view in views)


def check_model(graph: Graph) -> None:
    """Limits of the model as a whole."""
    if not graph.operators:
        raise SpecError(f"{graph.name}: has no operators")
    computed = [t for t in graph.tensors if t.data is None]
    if computed and all(t.dtype == "float32" for t in computed):
        hybrid = any(t.dtype == "int8" for t in graph.tensors)
        kind = "hybrid (int8 weights, float32 activations)" if hybrid else "float-only"
        raise SpecError(f"{graph.name}: is a {kind} model, only int8 models are compiled", hint=QUANTISE_HINT)
    for index in graph.outputs:
        if graph.tensors[index].data is not None:
            raise SpecError(f"{graph.name}: output {graph.tensors[index]} is a constant")
        if index in graph.inputs:
            raise SpecError(f"{graph.name}: output {graph.tensors[index]} is an input")


def _problem(view: OperatorView) -> tuple[str, str] | None:
    """What is wrong with an operator, and what to do."""
    kind = OPERATORS.get(view.operator.name)
    if kind is None:
        return f"{view}: not supported", f"supported are {', '.join(sorted(OPERATORS))}"
    broken = first_broken(view, kind.constraints)
    if broken is None:
        return None
    constraint, found = broken
    return f"{view}: supported is: {constraint.sentence}; here: {found}", constraint.advice
