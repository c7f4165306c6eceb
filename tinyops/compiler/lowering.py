"""Checks a graph against the compiler's limits and lowers its operators: all problems at once."""

from __future__ import annotations

from tinyops.compiler.constraints import first_broken
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.ops import INT16, OPERATORS, kind_of
from tinyops.compiler.view import OperatorView
from tinyops.errors import SpecError
from tinyops.graph import KEEPERS, Graph, touched

QUANTISE_HINT = "quantise the model to int8 throughout: full-integer conversion with a representative dataset"
CONVERT_AGAIN = "convert the original model again, with TFLITE_BUILTINS_INT8 and a representative dataset"
INT16_HINT = (
    "quantise with int8 activations, or take an operator that has int16: docs/reference/operators.md lists them"
)
WEIGHTED = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})
MOST_PROBLEMS = 20
MOST_COMPUTED = 1100  # each pair of them is looked at when memory is planned


def lower_graph(graph: Graph, cpu: str) -> tuple[tuple[Lowered, ...], ...]:
    """For each operator, in order, the ways in which it can be done on the core; the first serves everywhere.

    Raises SpecError naming every operator that cannot be compiled and why.
    """
    views = [OperatorView(graph, operator, cpu) for operator in graph.operators]
    problems = [p for p in map(_problem, views) if p]
    if problems:
        more = len(problems) - MOST_PROBLEMS
        shown = problems[:MOST_PROBLEMS] + ([(f"and {more} more", "")] if more > 0 else [])
        hints = list(dict.fromkeys(hint for _, hint in problems if hint))
        raise SpecError("\n".join(f"{graph.name}: {text}" for text, _ in shown), hint="; ".join(hints[:3]))
    return tuple(_candidates(view) for view in views)


def _candidates(view: OperatorView) -> tuple[Lowered, ...]:
    kind = kind_of(view)
    assert kind is not None  # or it would be a problem
    return kind.candidates(view)


def check_model(graph: Graph) -> None:
    """Limits of the model as a whole."""
    if not graph.operators:
        raise SpecError(f"{graph.name}: has no operators")
    computed = [t for t in graph.tensors if t.data is None]
    if len(computed) > MOST_COMPUTED:
        raise SpecError(f"{graph.name}: computes {len(computed):,} tensors, at most {MOST_COMPUTED:,} are supported")
    if computed and all(t.dtype == "float32" for t in computed):
        hybrid = any(t.dtype == "int8" for t in graph.tensors)
        kind = "hybrid (int8 weights, float32 activations)" if hybrid else "float-only"
        raise SpecError(f"{graph.name}: is a {kind} model, only int8 models are compiled", hint=QUANTISE_HINT)
    _check_widths(graph)
    for operator in graph.operators:
        if touched(graph, operator) and operator.name in OPERATORS and operator.name not in KEEPERS:
            raise SpecError(
                f"{graph.name}: {operator}: supported is: {', '.join(sorted(KEEPERS))} take variables; "
                f"here: {graph.tensors[min(touched(graph, operator))]}",
                hint="read a variable with READ_VARIABLE",
            )
    for index in graph.outputs:
        if graph.tensors[index].data is not None:
            raise SpecError(f"{graph.name}: output {graph.tensors[index]} is a constant")
        if index in graph.inputs:
            raise SpecError(f"{graph.name}: output {graph.tensors[index]} is an input")


def _check_widths(graph: Graph) -> None:
    """Names the way of quantising that is not int8, where layers with weights show it."""
    for operator in graph.operators:
        if operator.name not in WEIGHTED:
            continue
        operands = [graph.tensors[i] for i in operator.inputs if i is not None]
        if any(t.dtype == "uint8" and t.data is not None for t in operands):
            raise SpecError(
                f"{graph.name}: {operator} has uint8 weights, as converters of TensorFlow 1 wrote them; only int8 "
                "models are compiled",
                hint=f"uint8 weights do not become int8 without loss: {CONVERT_AGAIN}",
            )


def _problem(view: OperatorView) -> tuple[str, str] | None:
    """What is wrong with an operator, and what to do."""
    kind = kind_of(view)
    if kind is None:
        return f"{view}: not supported", f"supported are {', '.join(sorted(OPERATORS))}"
    broken = first_broken(view, kind.constraints)
    if broken is None:
        return None
    constraint, found = broken
    if view.operator.name not in INT16 and any(t.dtype == "int16" and t.data is None for t in view.inputs):
        found += "; it has no kernel of int16 activations"
        return f"{view}: supported is: {constraint.sentence}; here: {found}", INT16_HINT
    return f"{view}: supported is: {constraint.sentence}; here: {found}", constraint.advice
