"""What a compiled graph will take, before a linker has seen it, and what the compiler's own means save of its arena."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from tinyops.compiler.arena import place_tensors
from tinyops.compiler.compiled import CompiledModel, compile_model, least_ram, place_in_order
from tinyops.compiler.costs import KERNEL_BYTES, UNKNOWN_BYTES, core_of
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.lowering import check_model, lower_graph
from tinyops.compiler.ops.coded import coded_bytes
from tinyops.compiler.options import CompileOptions
from tinyops.compiler.passes import run_passes
from tinyops.compiler.rows.search import choose_stretch
from tinyops.compiler.variants import choices, flash_bytes, predicted_instructions
from tinyops.compiler.view import constant_values
from tinyops.errors import DoesNotFit, SpecError
from tinyops.features import Features, StagedFeatures
from tinyops.graph import Graph, Operator

REQUANTIZE = "kernels/requantize.c"  # which every model has
HEADER_BYTES = 1024  # of headers, entry points and what linkers add: images were 786 bytes above the rest at the most
STAGES_BYTES = 8192  # of code and tables that make rows of samples: hardly more
WEIGHTY = frozenset({"CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"})


@dataclass(frozen=True)
class Effort:
    """Bytes of an image and of an arena, instructions of an inference. The image is estimated, rather too large."""

    flash_bytes: int
    arena_bytes: int
    instructions: int


@dataclass(frozen=True)
class Arenas:
    """A graph's arena with the operators in the file's order, in the order that needs least, and by rows as well."""

    plain: int
    reordered: int
    by_rows: int
    strips: int = 0  # of the stretch that runs by rows; 0: none does


def effort_of(graph: Graph, features: Features, options: CompileOptions) -> Effort:
    """What a graph takes on a core. An arena that is larger than the board's is told, not refused.

    Raises what `compile_model` does for what is not supported.
    """
    try:
        compiled = compile_model(graph, features, options)
    except DoesNotFit:
        compiled = compile_model(graph, features, replace(options, arena_bytes=None, prefer="ram"))
    return effort_of_compiled(compiled)


def effort_of_compiled(compiled: CompiledModel) -> Effort:
    cpu, lowered = compiled.options.cpu, compiled.lowered
    counted = compiled.predicted_instructions
    instructions = sum(
        predicted_instructions(compiled.graph, low, cpu) if known is None else known
        for low, known in zip(lowered, counted, strict=True)
    )
    code = STAGES_BYTES if isinstance(compiled.features, StagedFeatures) else 0
    return Effort(_flash(lowered, cpu) + HEADER_BYTES + code, compiled.arena.bytes, instructions)


def _flash(lowered: Sequence[Lowered], cpu: str) -> int:
    """Constants, calls and kernels."""
    table = KERNEL_BYTES[core_of(cpu)]
    kernels = {kernel.source for low in lowered for kernel in low.kernels} | {REQUANTIZE}
    return sum(map(flash_bytes, lowered)) + sum(table.get(kernel, UNKNOWN_BYTES) for kernel in kernels)


def arenas_of(graph: Graph, features: Features, options: CompileOptions) -> Arenas:
    """What reordering and rows make of an arena, as far as the options' board needs it."""
    check_model(graph)
    graph, _ = run_passes(graph)
    chosen = choices(graph, lower_graph(graph, options.cpu), options.cpu, options.prefer)
    plain = min(place_tensors(graph, lowered, features, options.prefer)[1].bytes for lowered in chosen)
    placed = [place_in_order(graph, lowered, features, options.prefer) for lowered in chosen]
    plans = [(p, choose_stretch(p.graph, p.lowered, features, options, (p.calls, p.arena))) for p in placed]
    _, (_, arena, stretch) = plans[least_ram(plans, options.cpu)]
    strips = stretch.played.strips if stretch else 0
    return Arenas(plain, min(p.arena.bytes for p in placed), arena.bytes, strips)


@dataclass(frozen=True)
class Least:
    """Of each operator of a graph, what a part with it takes at the least: bytes of weights, and instructions."""

    weights: tuple[int, ...]
    instructions: tuple[int, ...]


def least_of(graph: Graph, cpu: str) -> Least:
    """Bounds for any run of a graph's operators on a core; numbers are those of its operators, by index.

    Only operators with weights count: what others do may cost nothing where tensors share storage, or be fused. Weights
    stay as long as they are, however they are arranged, but for those that can be coded. An operator may lose its
    padding to a cut before it.
    """
    fewest = [0] * len(graph.operators)
    places = {operator.number: operator.index for operator in graph.operators}
    for known in _as_passed(graph, cpu):
        for number, instructions in known.items():
            at = places[number]
            fewest[at] = min(fewest[at] or instructions, instructions)
    return Least(tuple(_weights(graph, operator) for operator in graph.operators), tuple(fewest))


def _as_passed(graph: Graph, cpu: str) -> Iterator[dict[int, int]]:
    """The instructions of operators with weights by number, as the passes leave them and as the file has them."""
    for tried in (run_passes(graph)[0], graph):
        try:
            ways = lower_graph(tried, cpu)
        except SpecError:  # of the file's own graph: passes may be what makes it one that is supported
            continue
        yield {
            operator.number: min(predicted_instructions(tried, low, cpu) for low in lowered)
            for operator, lowered in zip(tried.operators, ways, strict=True)
            if operator.name in WEIGHTY
        }


def _weights(graph: Graph, operator: Operator) -> int:
    filters = operator.inputs[1] if operator.name in WEIGHTY and len(operator.inputs) > 1 else None
    tensor = graph.tensors[filters] if filters is not None else None
    if tensor is None or tensor.data is None:
        return 0
    return coded_bytes(constant_values(tensor).reshape(1, -1)) if tensor.dtype == "int8" else tensor.bytes
