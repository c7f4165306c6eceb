"""What running by rows costs, estimated: instructions and flash, beyond what the operators cost as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from tinyops.compiler.lowered import Call, Lowered
from tinyops.compiler.rows.kernels import Strip, params_of
from tinyops.compiler.rows.schedule import RowStep
from tinyops.compiler.rows.stretch import Stretch
from tinyops.compiler.variants import call_instructions
from tinyops.compiler.work import COUNTS
from tinyops.graph import Graph

# Counted on a Cortex-M4F; see docs/decisions/0035-rows.md.
PER_STRIP = 350  # of each operator: which rows it makes, its parameters, the call
PER_KEPT_BYTE = 1.6  # copied aside and back
PER_TAKEN_BYTE = 1.6  # of a row that is streamed: copied in, and up once more where it is needed again
PER_TAKEN_ROW = 150
DRIVER_BYTES, STEP_BYTES = 850, 60


@dataclass(frozen=True)
class Cost:
    instructions: float
    flash_bytes: int


def cost_of(stretch: Stretch, graph: Graph, lowered: Sequence[Lowered], cpu: str) -> Cost:
    played = stretch.played
    kept = sum(played.kept_rows.get(line.tensor, 0) * line.row_bytes for line in stretch.between)
    again = sum(_again(stretch, step, graph, lowered[step.operator], cpu) for step in stretch.steps)
    strips = PER_STRIP * played.strips * len(stretch.steps)
    source = stretch.lines[0]
    taken = source.height * (PER_TAKEN_ROW + PER_TAKEN_BYTE * source.row_bytes) if stretch.streamed else 0
    flash = DRIVER_BYTES + STEP_BYTES * len(stretch.steps)
    return Cost(PER_KEPT_BYTE * kept + strips + again + taken, flash)


def _again(stretch: Stretch, step: RowStep, graph: Graph, lowered: Lowered, cpu: str) -> float:
    """What an operator does in all strips beyond what it does once, by the table of costs."""
    return sum(_call_again(stretch, step, graph, call, cpu, call is lowered.main) for call in lowered.calls)


def _call_again(stretch: Stretch, step: RowStep, graph: Graph, call: Call, cpu: str, is_main: bool) -> float:
    """What makes ready does the same in every strip."""
    if call.function not in COUNTS:
        return 0
    row_values = stretch.line(step.output).row_values
    strips = 0.0
    for shape, count in stretch.played.shapes.get(step.operator, {}).items():
        strip = replace(call, params=params_of(call, Strip(*shape), row_values)) if is_main else call
        strips += count * call_instructions(graph, strip, cpu)
    return strips - call_instructions(graph, call, cpu)
