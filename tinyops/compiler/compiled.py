"""graph + features + options -> CompiledModel: pure, no files written, no tools run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from tinyops.compiler.arena import Arena, place_tensors, with_moves
from tinyops.compiler.contract import contract_digest, make_contract
from tinyops.compiler.costs import COUNTED_CPUS
from tinyops.compiler.header import HEADER_BYTES, MAGIC, ModelHeader
from tinyops.compiler.lowered import Lowered
from tinyops.compiler.lowering import check_model, lower_graph
from tinyops.compiler.options import CompileOptions
from tinyops.compiler.part import PartTable, part_table
from tinyops.compiler.passes import reorder, run_passes
from tinyops.compiler.passes.kind import Applied
from tinyops.compiler.rows.cost import cost_of
from tinyops.compiler.rows.emit import KERNEL as ROWS_KERNEL
from tinyops.compiler.rows.search import Choice, choose_stretch
from tinyops.compiler.rows.stretch import Stretch
from tinyops.compiler.sharing import share_storage
from tinyops.compiler.variants import choices, predicted_instructions, stack_bytes
from tinyops.errors import DoesNotFit, SpecError
from tinyops.features import Features
from tinyops.files import JsonObject
from tinyops.graph import Graph
from tinyops.manifest.contract import ABI
from tinyops.split.document import PartDocument

NEGLIGIBLE_RAM = 0.01  # a share: not worth four times the instructions, as plain kernels with less stack would cost
AVR_FLASH_BYTES = 63 << 10  # of 64 KiB; interrupt vectors lie before


@dataclass(frozen=True)
class CompiledModel:
    """A model as a C library: `sources` maps each file's name to its text.

    `graph` is what passes have made of the file's, `applied` what each of them did. `header` has the entry points at 0;
    an image's header fills them in. `stretch` are the operators that run together by rows.
    """

    graph: Graph
    applied: tuple[Applied, ...]
    features: Features
    options: CompileOptions
    lowered: tuple[Lowered, ...]
    arena: Arena
    contract: JsonObject
    header: ModelHeader
    sources: Mapping[str, str]
    stretch: Stretch | None = None
    part: PartTable | None = None  # where it is a part of a model that several boards share

    @property
    def macs(self) -> int:
        return sum(op.macs for op in self.lowered)

    @property
    def predicted_instructions(self) -> tuple[int | None, ...]:
        """Of each operator, by the table of costs; None on cores that it does not speak of."""
        if self.options.cpu not in COUNTED_CPUS:
            return (None,) * len(self.lowered)
        counts = [predicted_instructions(self.graph, low, self.options.cpu) for low in self.lowered]
        if self.stretch:  # told of its last operator
            extra = cost_of(self.stretch, self.graph, self.lowered, self.options.cpu)
            counts[self.stretch.last] += round(extra.instructions)
        return tuple(counts)

    @property
    def weights_bytes(self) -> int:
        """Bytes of the arrays in weights.c: weights, biases, requantisation constants, tables."""
        from tinyops.compiler.arrays import arrays_of

        return sum(array.bytes for array in arrays_of(self.graph, self.lowered))


def compile_model(
    graph: Graph, features: Features, options: CompileOptions, part: PartDocument | None = None
) -> CompiledModel:
    """Compiles an int8 graph to C99. The same arguments give the same text, byte for byte. `part` says what of a cut
    model it is.

    Raises SpecError for what is not supported, naming operator, limit and what there is instead; DoesNotFit when
    the arena is larger than the board's.
    """
    check_model(graph)
    graph, applied = run_passes(graph)
    candidates = lower_graph(graph, options.cpu)
    chosen = choices(graph, candidates, options.cpu, options.prefer)
    return compile_lowered(graph, applied, chosen, features, options, part)


def compile_lowered(
    graph: Graph,
    applied: tuple[Applied, ...],
    chosen: Sequence[tuple[Lowered, ...]],
    features: Features,
    options: CompileOptions,
    part: PartDocument | None = None,
) -> CompiledModel:
    """As `compile_model`, of operators that are lowered already, in several ways where RAM decides among them."""
    from tinyops.compiler.emit import emit

    contract = make_contract(graph, features, options, part)
    placed = [place_in_order(graph, lowered, features, options.prefer) for lowered in chosen]
    plans = [(p, choose_stretch(p.graph, p.lowered, features, options, (p.calls, p.arena))) for p in placed]
    best, (lowered, arena, stretch) = plans[least_ram(plans, options.cpu)] if len(plans) > 1 else plans[0]
    graph = best.graph
    table = _table(part, graph, arena, stretch)
    check_fits(graph, arena, options, table)
    check_flash(graph, lowered, options)
    lowered = with_rows(with_moves(lowered, arena), stretch)
    inputs, outputs = ((span.offset, span.bytes) for span in (arena.inputs, arena.outputs))
    header = make_header(arena.bytes, inputs, outputs, contract, stretch.streamed_rows if stretch else 0)
    sources = emit(graph, features, lowered, arena, header, stretch, table)
    passes = (*applied, best.applied)
    return CompiledModel(graph, passes, features, options, lowered, arena, contract, header, sources, stretch, table)


def _table(part: PartDocument | None, graph: Graph, arena: Arena, stretch: Stretch | None) -> PartTable | None:
    """Raises SpecError where rows are streamed into what must be there as a whole: a message, or what is passed on."""
    if part is None:
        return None
    if stretch is not None and stretch.streamed and (part.passed or not part.first):
        what = "passes its input on" if part.first else "gets its input as a whole"
        raise SpecError(f"{graph.name}: part {part.name!r} {what}: its rows cannot be streamed", hint="stream no rows")
    return part_table(part, graph, {tensor: span.offset for tensor, span in arena.tensors.items()})


def least_ram(plans: Sequence[tuple[Ordered, Choice]], cpu: str) -> int:
    """Which needs the least arena and stack, or hardly more and fewer instructions."""
    needed = [arena.bytes + stack_bytes(calls, cpu) for _, (calls, arena, _) in plans]
    enough = [i for i, ram in enumerate(needed) if ram <= min(needed) * (1 + NEGLIGIBLE_RAM)]
    costs = [sum(predicted_instructions(p.graph, low, cpu) for low in calls) for p, (calls, _, _) in plans]
    return min(enough, key=lambda i: costs[i])


@dataclass(frozen=True)
class Ordered:
    """A graph in an order, its operators' calls before and after tensors share storage, and the arena's plan."""

    graph: Graph
    lowered: tuple[Lowered, ...]
    calls: tuple[Lowered, ...]
    arena: Arena
    applied: Applied


def place_in_order(graph: Graph, lowered: tuple[Lowered, ...], features: Features, prefer: str) -> Ordered:
    """Every tensor placed, with the operators in the file's order, or in another in which the arena is smaller."""
    storage = share_storage(graph, lowered)
    order = reorder.better_order(graph, storage.lowered, storage.owner)
    calls, arena = place_tensors(graph, lowered, features, prefer)
    if order is not None:
        other, moved = reorder.in_order(graph, lowered, order)
        other_calls, smaller = place_tensors(other, moved, features, prefer)
        if smaller.bytes < arena.bytes:
            return Ordered(other, moved, other_calls, smaller, reorder.applied(graph, other))
    return Ordered(graph, lowered, calls, arena, reorder.applied(graph, graph))


def check_fits(graph: Graph, arena: Arena, options: CompileOptions, part: PartTable | None = None) -> None:
    """What a part holds until it is sent on lies behind its arena."""
    limit, held = options.arena_bytes, part.held_bytes if part else 0
    needed = arena.bytes + held
    if limit is not None and needed > limit:
        passed = f", {held:,} of them for what it passes on" if held else ""
        raise DoesNotFit(
            f"{graph.name}: the arena needs {needed:,} bytes{passed}, {options.board} has {limit:,}: "
            f"short by {needed - limit:,}",
            hint="make the model's largest layers smaller, shorten the window, or choose a board with more RAM",
            arena_bytes=arena.bytes,
        )


def check_flash(graph: Graph, lowered: tuple[Lowered, ...], options: CompileOptions) -> None:
    """On AVR a pointer into program memory has 16 bits."""
    from tinyops.compiler.arrays import arrays_of

    needed = sum(array.bytes for array in arrays_of(graph, lowered) if array.in_flash)
    if options.cpu == "avr" and needed > AVR_FLASH_BYTES:
        raise DoesNotFit(
            f"{graph.name}: its weights need {needed:,} bytes, AVR reads constants from the lowest "
            f"{AVR_FLASH_BYTES:,} of flash: over by {needed - AVR_FLASH_BYTES:,}",
            hint="make the model's largest layers smaller, or choose another core",
        )


def with_rows(lowered: tuple[Lowered, ...], stretch: Stretch | None) -> tuple[Lowered, ...]:
    """The operators with the kernel that the last of a stretch brings along."""
    if stretch is None:
        return lowered
    last = lowered[stretch.last]
    with_kernel = replace(last, more_kernels=(*last.more_kernels, ROWS_KERNEL))
    return (*lowered[: stretch.last], with_kernel, *lowered[stretch.last + 1 :])


def make_header(
    arena_bytes: int,
    inputs: tuple[int, int],
    outputs: tuple[int, int],
    contract: JsonObject,
    streamed_rows: int = 0,
) -> ModelHeader:
    """The header without entry points; inputs and outputs are (offset, bytes) in the arena.

    `streamed_rows` is how many rows the input has where it comes row by row; its bytes are then a row's.
    """
    window = contract["input"]
    rows = streamed_rows if streamed_rows and not window["frame_values"] else 0
    return ModelHeader(
        magic=MAGIC,
        abi=ABI,
        header_bytes=HEADER_BYTES,
        image_bytes=0,
        arena_bytes=arena_bytes,
        input_offset=inputs[0],
        input_bytes=inputs[1],
        output_offset=outputs[0],
        output_bytes=outputs[1],
        frame_values=window["frame_values"],
        window_frames=rows or window["window_frames"],
        hop_frames=rows or window["hop_frames"],
        init=0,
        push=0,
        prepare=0,
        invoke=0,
        contract=bytes.fromhex(contract_digest(contract).removeprefix("sha256:")),
    )


def header_of(compiled: JsonObject, contract: JsonObject) -> ModelHeader:
    """The same header from compile.json and contract.json. Raises SpecError when they are not what compile writes."""
    try:
        spans = [_span(compiled[edge]) for edge in ("inputs", "outputs")]
        rows = int(compiled["streamed_rows"])
        return make_header(int(compiled["arena_bytes"]), spans[0], spans[1], contract, rows)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise SpecError(f"compile.json or contract.json lack {error}") from error


def extension_of(compiled: JsonObject) -> bytes:
    """What follows the header in the image of a part, from compile.json; of others, nothing. Raises SpecError."""
    try:
        return PartTable.unpack(bytes.fromhex(compiled["part"]["table"])).pack() if "part" in compiled else b""
    except (KeyError, TypeError, ValueError) as error:
        raise SpecError(f"compile.json: part: {error}") from error


def _span(edges: list[JsonObject]) -> tuple[int, int]:
    first, last = edges[0], edges[-1]
    return int(first["offset"]), int(last["offset"]) + int(last["bytes"]) - int(first["offset"])
